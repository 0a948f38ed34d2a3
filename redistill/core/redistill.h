/* redistill.h - all of the core that Python sees.
 *
 * The build hands cffi the text between "python: begin" and "python: end" of each header below, in this order
 * (redistill/_core_build.py says how it reads that). So a declaration is written once, where it belongs, and the
 * compiler holds cffi's idea of it against it. */
#ifndef RD_REDISTILL_H
#define RD_REDISTILL_H

/* In the order of the rooms, and what others use first. */
/* clang-format off */
#include "base/base.h"
#include "base/clock.h"
#include "base/glob.h"
#include "arena/stats.h"
#include "arena/arena.h"
#include "arena/admission.h"
#include "arena/lock.h"
#include "arena/memory.h"
#include "arena/ring.h"
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
#include "session/session.h"
#include "session/acl.h"
#include "session/footprint.h"
#include "session/handover.h"
#include "session/monitor.h"
#include "session/slowlog.h"
#include "net/loop.h"
#include "host.h"
/* clang-format on */

#endif
