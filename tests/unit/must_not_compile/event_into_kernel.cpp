// SPDX-License-Identifier: Apache-2.0
#include <causeway/host_event.hpp>
#include <causeway/reservation.hpp>

// The kernel might wait for ever for what a program signals, so an event is of no type that goes there.
causeway::Status pass_on(const causeway::Reservation& reservation, const causeway::HostEvent& event,
                         const causeway::SyncFile& file) {
#ifdef MISTAKE
  static_cast<void>(file);
  return reservation.import_into_kernel(event.fence(), causeway::FenceUsage::Write);
#else
  static_cast<void>(event);
  return reservation.import_into_kernel(file, causeway::FenceUsage::Write);
#endif
}
