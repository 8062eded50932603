// Names that contain the instruction set a file is compiled for, DYNAST_VARIANT.
#pragma once

#define DYNAST_TEXT_OF(name) #name
#define DYNAST_TEXT(name) DYNAST_TEXT_OF(name)
#define DYNAST_TABLE_OF(kind, name) kind##_##name
// The table of kernels of one variant: DYNAST_TABLE(attention, avx2) is attention_avx2.
#define DYNAST_TABLE(kind, name) DYNAST_TABLE_OF(kind, name)
