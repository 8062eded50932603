// Names with the instruction set in them that a file is compiled for, DYNAST_VARIANT.
#pragma once

#define DYNAST_TEXT_OF(name) #name
#define DYNAST_TEXT(name) DYNAST_TEXT_OF(name)
#define DYNAST_TABLE_OF(kind, name) kind##_##name
#define DYNAST_TABLE(kind, name) DYNAST_TABLE_OF(kind, name)
