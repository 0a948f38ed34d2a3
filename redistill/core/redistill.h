/* redistill.h - the headers of the core that Python uses.
 *
 * The build gives cffi the text between "python: begin" and "python: end" of each header below, in this order
 * (redistill/_core_build.py describes how it reads it). So each declaration is written once, in its own header, and
 * the compiler verifies cffi's reading of it. */
#ifndef RD_REDISTILL_H
#define RD_REDISTILL_H

/* The order of the folders; within a folder, a header that others use comes before them. */
/* clang-format off */
#include "base/base.h"
#include "base/clock.h"
#include "base/crc64.h"
#include "base/glob.h"
#include "base/lzf.h"
#include "arena/stats.h"
#include "arena/arena.h"
#include "arena/admission.h"
#include "arena/lock.h"
#include "arena/memory.h"
#include "arena/ring.h"
#include "arena/roll.h"
#include "arena/running.h"
#include "arena/secrets.h"
#include "arena/worker.h"
#include "store/check.h"
#include "store/databases.h"
#include "store/expire.h"
#include "store/pause.h"
#include "store/reclaim.h"
#include "store/run.h"
#include "command/command.h"
#include "command/keys.h"
#include "script/lua.h"
#include "session/session.h"
#include "session/acl.h"
#include "session/footprint.h"
#include "session/handover.h"
#include "session/monitor.h"
#include "session/subscribed.h"
#include "session/tracking.h"
#include "session/pushed.h"
#include "session/backlog.h"
#include "session/blocked.h"
#include "session/events.h"
#include "session/blocking.h"
#include "session/slowlog.h"
#include "net/loop.h"
#include "host.h"
/* clang-format on */

#endif
