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

	out->kind = HV_ENGINE_RING3;
	if (want == HV_ENGINE_RING3) {
		snprintf(out->text, sizeof(out->text), "ring3: as configured");
		return 0;
	}
	hv_probe_kvm(kvm, sizeof(kvm));
	if (want == HV_ENGINE_KVM) {
		out->kind = HV_ENGINE_KVM;
		snprintf(out->text, sizeof(out->text),
			 "kvm: %s; the kvm engine is not in this build: use engine ring3 or auto",
			 kvm);
		return err_set(-ENOTSUP, "%s", out->text);
	}
	if (want != HV_ENGINE_AUTO)
		return err_set(-EINVAL, "engine %d does not exist", (int)want);
	snprintf(out->text, sizeof(out->text),
		 "kvm: %s; the kvm engine is not in this build, using ring3", kvm);
	return 0;
}
