/* SPDX-License-Identifier: BSD-3-Clause */
/* Chooses an engine and says why. */
#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "hv/hv.h"
#include "hv/probe.h"

const char *hv_engine_name(enum hv_engine_kind kind)
{
	static const char *const name[] = {
		[HV_ENGINE_AUTO] = "auto",
		[HV_ENGINE_KVM] = "kvm",
		[HV_ENGINE_RING3] = "ring3",
	};

	return kind < sizeof(name) / sizeof(name[0]) ? name[kind] : "?";
}

int hv_engine_probe(enum hv_engine_kind want, struct hv_engine_report *out)
{
	char kvm[160];
	bool works;

	out->kind = HV_ENGINE_RING3;
	if (want == HV_ENGINE_RING3) {
		snprintf(out->text, sizeof(out->text), "ring3: as configured");
		return 0;
	}
	if (want != HV_ENGINE_AUTO && want != HV_ENGINE_KVM)
		return err_set(-EINVAL, "engine %d does not exist", (int)want);
	works = hv_probe_kvm(kvm, sizeof(kvm));
	if (works || want == HV_ENGINE_KVM)
		out->kind = HV_ENGINE_KVM;
	snprintf(out->text, sizeof(out->text), "kvm: %s%s", kvm,
		 works			  ? ""
		 : want == HV_ENGINE_AUTO ? "; using ring3"
					  : "; use engine ring3 or auto");
	return works || want == HV_ENGINE_AUTO ? 0 : err_set(-ENOTSUP, "%s", out->text);
}
