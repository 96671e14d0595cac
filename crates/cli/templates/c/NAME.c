#include "tenzik.h"

#define RAW(text) tenzik_output_write(text, sizeof text - 1)
#define FAIL(message) tenzik_fail(message, sizeof message - 1)

enum { NUMBER = 3, ARRAY = 5 };

/* Fails with the place of the item that is wrong. */
static _Noreturn void fail_at(uint32_t item, const char *problem, uint32_t len) {
  static char message[64] = "/items/";
  uint32_t at = 7;
  char digits[10];
  uint32_t count = 0;
  do digits[count++] = (char)('0' + item % 10); while (item /= 10);
  while (count) message[at++] = digits[--count];
  for (uint32_t i = 0; i < len; i++) message[at++] = problem[i];
  tenzik_fail(message, at);
}
#define FAIL_AT(item, problem) fail_at(item, problem, sizeof problem - 1)

TENZIK_EXPORT("run") void run(void) {
  int32_t items = tenzik_json_get(tenzik_json_root(), "items", 5);
  if (items < 0) FAIL("/items: missing");
  if (tenzik_json_type(items) != ARRAY) FAIL("/items: not an array");
  double count = 0, total = 0;
  uint32_t len = (uint32_t)tenzik_json_len(items);
  for (uint32_t i = 0; i < len; i++) {
    int32_t item = tenzik_json_at(items, i);
    int32_t price = tenzik_json_get(item, "price", 5), qty = tenzik_json_get(item, "qty", 3);
    if (price < 0) FAIL_AT(i, "/price: missing");
    if (tenzik_json_type(price) != NUMBER) FAIL_AT(i, "/price: not a number");
    if (qty < 0) FAIL_AT(i, "/qty: missing");
    if (tenzik_json_type(qty) != NUMBER) FAIL_AT(i, "/qty: not a number");
    count += tenzik_json_num(qty);
    total += tenzik_json_num(price) * tenzik_json_num(qty);
  }
  RAW("{\"count\":");
  tenzik_output_num(count);
  RAW(",\"total\":");
  tenzik_output_num(total);
  RAW("}");
}
