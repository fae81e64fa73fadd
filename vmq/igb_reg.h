/* SPDX-License-Identifier: BSD-3-Clause */
/* Registers of the 82576 that have a part in choosing a frame's pool (its data sheet, 7.10.3 and 8). */
#pragma once

#define IGB_POOLS 8u
#define IGB_MACS  24u /* the device's own address among them */
#define IGB_VLANS 32u

#define IGB_STATUS 0x0008u

#define IGB_CTRL_EXT	      0x0018u
#define IGB_CTRL_EXT_TWO_TAGS 0x04000000u

#define IGB_VET 0x0038u

#define IGB_RCTL     0x0100u
#define IGB_RCTL_VFE 0x00040000u /* VLANs are compared */

#define IGB_QDE 0x2408u /* a pool: frames are dropped, and hold up no other pool, when it is full */

#define IGB_RAL(i)	   ((i) < 16 ? 0x5400u + 8 * (i) : 0x54e0u + 8 * ((i)-16))
#define IGB_RAH(i)	   (IGB_RAL(i) + 4)
#define IGB_RAH_ADDR	   0x0000ffffu
#define IGB_RAH_POOL_SHIFT 18
#define IGB_RAH_POOLS	   0x03fc0000u
#define IGB_RAH_VALID	   0x80000000u

#define IGB_MTA(i)	(0x5200u + 4 * (i)) /* groups by hash */
#define IGB_VFTA(i)	(0x5600u + 4 * (i)) /* VLANs that come in at all */
#define IGB_TABLE_WORDS 128u

#define IGB_SYNQF(i)	  (0x55fcu + 4 * (i))
#define IGB_SYNQF_ON	  0x00000001u
#define IGB_ETQF(i)	  (0x5cb0u + 4 * (i))
#define IGB_ETQF_QUEUE_ON 0x80000000u

#define IGB_MRQC      0x5818u
#define IGB_MRQC_MODE 0x00000007u
#define IGB_MRQC_VMDQ 0x00000003u

#define IGB_VT_CTL	      0x581cu
#define IGB_VT_CTL_DEFAULT    0x00000380u /* the default pool */
#define IGB_VT_CTL_IGNORE_MAC 0x10000000u /* VLANs alone choose the pool */
#define IGB_VT_CTL_NO_DEFAULT 0x20000000u
#define IGB_VT_CTL_REPLICATE  0x40000000u /* a frame may go to several pools */

#define IGB_VMOLR(pool)	     (0x5ad0u + 4 * (pool))
#define IGB_VMOLR_RLPML	     0x00003fffu /* the longest frame, with FCS */
#define IGB_VMOLR_LPE	     0x00010000u /* it counts */
#define IGB_VMOLR_RSSE	     0x00020000u
#define IGB_VMOLR_VPE	     0x00800000u /* all VLANs, where there is such a thing */
#define IGB_VMOLR_AUPE	     0x01000000u /* frames without a tag */
#define IGB_VMOLR_ROMPE	     0x02000000u /* groups that pass the hash */
#define IGB_VMOLR_ROPE	     0x04000000u /* unicast that passes the hash */
#define IGB_VMOLR_BAM	     0x08000000u /* broadcasts */
#define IGB_VMOLR_MPME	     0x10000000u /* all groups */
#define IGB_VMOLR_UPE	     0x20000000u /* all unicast, where there is such a thing */
#define IGB_VMOLR_STRIP_VLAN 0x40000000u

#define IGB_RPLOLR	      0x5af0u /* as VMOLR, for groups' frames */
#define IGB_RPLOLR_STRIP_VLAN 0x40000000u

#define IGB_VLVF(i)	    (0x5d00u + 4 * (i))
#define IGB_VLVF_VLAN	    0x00000fffu
#define IGB_VLVF_POOL_SHIFT 12
#define IGB_VLVF_POOLS	    0x000ff000u
#define IGB_VLVF_VALID	    0x80000000u

#define IGB_VMRCTL(i) (0x5d80u + 4 * (i)) /* mirrors */
#define IGB_VMRCTL_ON 0x0000000fu
