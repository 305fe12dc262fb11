// Two things that an app can wait for and that are no hardware: to be stopped, and new settings.
#ifndef SKERRY_PYTHON_SOURCE_H
#define SKERRY_PYTHON_SOURCE_H

#include "py/obj.h"

enum { SOURCE_STOP, SOURCE_TWIN, SOURCES };

typedef struct {
    mp_obj_base_t base;
    uint8_t number;
} source_t;
extern const source_t sources[SOURCES];

void source_tell(int number, int64_t value);

// Whether a poll asked for it since it was last told.
bool source_is_waited_for(int number);

#endif
