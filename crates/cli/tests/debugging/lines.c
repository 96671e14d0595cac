#include "tenzik.h"

/* Its code stands where it is called. */
static inline __attribute__((always_inline)) int32_t share(int32_t all, int32_t of) {
  if (of < 0)
    __builtin_trap();
  return all / of;
}

static __attribute__((noinline)) int32_t twice(int32_t of) {
  return share(7, of) * 2;
}

TENZIK_EXPORT("run") void run(void) {
  tenzik_output_num(twice((int32_t)tenzik_json_num(tenzik_json_root())));
}
