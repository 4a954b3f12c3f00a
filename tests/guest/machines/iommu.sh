# SPDX-License-Identifier: Apache-2.0
# The guest with an IOMMU, and behind it QEMU's teaching card "edu", for VFIO. Sourced; see docs/testing.md.
# shellcheck shell=bash
export CAUSEWAY_GUEST_MACHINE=q35,kernel-irqchip=split
export CAUSEWAY_GUEST_QEMU_ARGS="-device intel-iommu,intremap=on -device edu"
export CAUSEWAY_GUEST_KERNEL_ARGS=intel_iommu=on
export CAUSEWAY_GUEST_MODULES="+vfio_iommu_type1 vfio-pci"
