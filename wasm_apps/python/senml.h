// SenML packs.
#ifndef SKERRY_PYTHON_SENML_H
#define SKERRY_PYTHON_SENML_H

#include "py/obj.h"

// One reading, a dict of readings by name, or a list of records with SenML's own names of fields.
void senml_pack(vstr_t *out, mp_obj_t what, mp_obj_t unit);

#endif
