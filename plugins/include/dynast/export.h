// Marks the functions that a library exports; all others are hidden.
#pragma once

#define DYNAST_EXPORT extern "C" __attribute__((visibility("default")))
