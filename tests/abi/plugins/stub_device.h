/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device behind the stub plugins: it works on the memory that it is
 * attached to, so that a test can see that the whole way to it is there.
 * Built from the frozen headers in tests/abi/frozen, never from the current ones.
 */
#ifndef CAUSEWAY_TESTS_ABI_STUB_DEVICE_H
#define CAUSEWAY_TESTS_ABI_STUB_DEVICE_H

#include <causeway/plugin/backend_abi.h>

/* What each end of a write access leaves in the first byte of every object. */
#define STUB_MARK 0x5a

/* A sound table of ABI version 1.0, with the operations of the alias proof. */
cw_backend stub_table(const char* name);

/* The symbol that the host asks for; each plugin defines it. */
__attribute__((visibility("default"))) const cw_backend* causeway_backend_entry(uint32_t host_version);

#endif
