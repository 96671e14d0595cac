/* CRC-32 of the input bytes, as zip, gzip and PNG use it: reflected, polynomial 0x04c11db7, start and
 * final xor all ones. Bytes in, {"crc32":"........"} out. */
#include "tenzik.h"

/* The remainders of the sixteen half-bytes. 64 bytes of table instead of 1,024: two steps a byte. */
static const uint32_t remainders[16] = {
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
};

static uint32_t crc32(const unsigned char *at, const unsigned char *end) {
  uint32_t crc = 0xffffffffu;
  while (at != end) {
    crc ^= *at++;
    crc = crc >> 4 ^ remainders[crc & 15];
    crc = crc >> 4 ^ remainders[crc & 15];
  }
  return ~crc;
}

/* The digits are written into the answer's text in place. */
static char answer[] = "{\"crc32\":\"00000000\"}";
enum { FIRST_DIGIT = 10, DIGITS = 8 };

TENZIK_EXPORT("run") void run(void) {
  unsigned char *bytes = &__heap_base;
  uint32_t len = tenzik_input_len();
  tenzik_reserve(bytes, len);
  tenzik_input_read(bytes);

  uint32_t crc = crc32(bytes, bytes + len);
  for (int i = DIGITS - 1; i >= 0; i--, crc >>= 4) {
    answer[FIRST_DIGIT + i] = (char)((crc & 15) + ((crc & 15) < 10 ? '0' : 'a' - 10));
  }
  tenzik_output_write(answer, sizeof answer - 1);
}
