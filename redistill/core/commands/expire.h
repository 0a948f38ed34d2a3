/* expire.h - the conditions under which a new expiry replaces an older one: NX, XX, GT, LT. */
#ifndef RD_EXPIRE_CONDITIONS_H
#define RD_EXPIRE_CONDITIONS_H

#include "command/call.h"

/* Parse the conditions in argv[from .. to - 1]. False after an error reply. */
bool rd_parse_conditions(rd_call *call, uint32_t from, uint32_t to, unsigned *conditions);
/* True if the conditions allow `when` to replace `current`. RD_NO_EXPIRY counts as the end of time. */
bool rd_conditions_allow(unsigned conditions, int64_t current, int64_t when);

#endif
