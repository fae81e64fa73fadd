// SPDX-License-Identifier: BSD-3-Clause
// The devices that an unmodified Linux finds (hv/linux/machine.h has the numbers). The high MMIO
// window is a placeholder here, 0x4E45544856000000; hv/linux/acpi.c puts the real one in.
DefinitionBlock ("dsdt.aml", "DSDT", 2, "NETHV ", "NETHV-PC", 1)
{
	Name (\_S5, Package () { 5, 0, 0, 0 })

	Scope (\_SB)
	{
		// hv_vmbus looks for MMIO ranges at VMBS and then at what it lies in. They are
		// here, so that no platform device claims them.
		Device (VMOD)
		{
			Name (_HID, "ACPI0004")
			Name (_UID, 0)
			Name (_CRS, ResourceTemplate () {
				QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					Cacheable, ReadWrite, 0,
					0xF8000000, 0xFEBFFFFF, 0, 0x06C00000)
				QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					Cacheable, ReadWrite, 0,
					0x4E45544856000000, 0x4E45544856FFFFFF, 0, 0x1000000)
			})

			Device (VMBS)
			{
				Name (_HID, "VMBus")
				Name (_UID, 0)
				Name (_DDN, "VMBUS")
				Name (_CRS, ResourceTemplate () { })
			}
		}

		// Reduced hardware has no ISA interrupts of its own: this is what gives ttyS0 one.
		Device (COM1)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, 1)
			Name (_CRS, ResourceTemplate () {
				IO (Decode16, 0x03F8, 0x03F8, 0, 8)
				Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) { 4 }
			})
		}
	}
}
