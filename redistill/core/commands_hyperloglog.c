/* commands_hyperloglog.c - the table of commands: group "hyperloglog". See command.h. */
#include "command_table.h"

const rd_command rd_commands_hyperloglog[] = {
    {
        .name = "pfadd",
        .summary = "Adds elements to a HyperLogLog, which begins empty",
        .since = "2.8.9",
        .group = "hyperloglog",
        .complexity = "O(1) for each element",
        .arity = -2,
        .flags = RD_WRITE | RD_DENYOOM | RD_FAST,
        .acl = RD_ACL_WRITE | RD_ACL_HYPERLOGLOG | RD_ACL_FAST,
        RD_KEYS(1, 1, 1),
        .key_specs = {{.flags = "RW insert", .begin = 1, .last = 0, .step = 1}},
        .arguments = "key#0 ?element*",
        .run = rd_cmd_pfadd,
        .id = RD_ID_pfadd,
    },
    {
        .name = "pfcount",
        .summary = "Estimates how many different elements were added to one or several HyperLogLogs",
        .since = "2.8.9",
        .group = "hyperloglog",
        .complexity = "O(1) with a small constant for one key, O(N) with a large one for N keys",
        .arity = -2,
        .flags = RD_READONLY,
        .acl = RD_ACL_READ | RD_ACL_HYPERLOGLOG | RD_ACL_SLOW,
        RD_KEYS(1, -1, 1),
        .key_specs =
            {
                {.flags = "RW access",
                 .notes = "RW because it may store the estimate in the key",
                 .begin = 1,
                 .last = -1,
                 .step = 1},
            },
        .arguments = "key#0*",
        .run = rd_cmd_pfcount,
        .id = RD_ID_pfcount,
    },
    {
        .name = "pfmerge",
        .summary = "Merges HyperLogLogs into one",
        .since = "2.8.9",
        .group = "hyperloglog",
        .complexity = "O(N) with a large constant, for N HyperLogLogs",
        .arity = -2,
        .flags = RD_WRITE | RD_DENYOOM,
        .acl = RD_ACL_WRITE | RD_ACL_HYPERLOGLOG | RD_ACL_SLOW,
        RD_KEYS(1, -1, 1),
        .key_specs =
            {
                {.flags = "RW access insert", .begin = 1, .last = 0, .step = 1},
                {.flags = "RO access", .begin = 2, .last = -1, .step = 1},
            },
        .arguments = "destkey#0 sourcekey#1*",
        .run = rd_cmd_pfmerge,
        .id = RD_ID_pfmerge,
    },
    {.name = NULL},
};
