/* thresholds.h - thresholds of the encodings, for fuzz targets. */
#ifndef THRESHOLDS_H
#define THRESHOLDS_H

#include "arena/arena.h"

static const rd_type_limits thresholds[] = {
    {128, 64, 512, 128, 64, 128, 64, -2, 4096, 100},
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
    {3, 5, 2, 4, 5, 3, 5, 2, 60, 2},
    {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, -5, UINT32_MAX, UINT32_MAX}};
#define THRESHOLDS (sizeof thresholds / sizeof *thresholds)

#endif
