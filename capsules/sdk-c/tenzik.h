/* The host functions of `tenzik_v1` for capsules in C, and the little that a capsule without a C
 * library needs. Text is UTF-8 here; lengths are bytes. A capsule exports
 *
 *     TENZIK_EXPORT("run") void run(void) { ... }
 *
 * and imports only the functions it calls. What each function does, costs and refuses stands in
 * docs/abi.md. */
#ifndef TENZIK_H
#define TENZIK_H

#include <stddef.h>
#include <stdint.h>

#define TENZIK_EXPORT(name) __attribute__((export_name(name)))
#define TENZIK_IMPORT(name) __attribute__((import_module("tenzik_v1"), import_name(name)))

/* Always there. */
TENZIK_IMPORT("input_len") uint32_t tenzik_input_len(void);
TENZIK_IMPORT("input_read") void tenzik_input_read(void *to);
TENZIK_IMPORT("output_write") void tenzik_output_write(const void *from, uint32_t len);
TENZIK_IMPORT("output_json_str") void tenzik_output_json_str(const char *text, uint32_t len);
TENZIK_IMPORT("output_num") void tenzik_output_num(double value);
TENZIK_IMPORT("result_read") void tenzik_result_read(void *to);
TENZIK_IMPORT("output_result") void tenzik_output_result(void);
TENZIK_IMPORT("output_result_str") void tenzik_output_result_str(void);
TENZIK_IMPORT("text_encode") int32_t tenzik_text_encode(const char *text, uint32_t len);
TENZIK_IMPORT("text_decode") int32_t tenzik_text_decode(const void *bytes, uint32_t len);
TENZIK_IMPORT("fail") _Noreturn void tenzik_fail(const char *message, uint32_t len);

/* Ends the run as `failed` without a message. The host looks at none of the parameters. */
__attribute__((import_module("env"), import_name("abort")))
_Noreturn void tenzik_abort(uint32_t message, uint32_t file, uint32_t line, uint32_t column);

/* Capability `hash`. */
TENZIK_IMPORT("hash_commit") int32_t tenzik_hash_commit(const void *from, uint32_t len);
TENZIK_IMPORT("hash_verify") int32_t tenzik_hash_verify(const void *from, uint32_t len, const char *hex);
TENZIK_IMPORT("hash_sha256") int32_t tenzik_hash_sha256(const void *from, uint32_t len);
TENZIK_IMPORT("hmac_sha256")
int32_t tenzik_hmac_sha256(const void *key, uint32_t key_len, const void *from, uint32_t len);

/* Capability `json`. A handle is a value's number in document order; the root is 0, none is -1. */
TENZIK_IMPORT("json_root") int32_t tenzik_json_root(void);
TENZIK_IMPORT("json_type") int32_t tenzik_json_type(int32_t value);
TENZIK_IMPORT("json_len") int32_t tenzik_json_len(int32_t value);
TENZIK_IMPORT("json_get") int32_t tenzik_json_get(int32_t value, const char *key, uint32_t len);
TENZIK_IMPORT("json_at") int32_t tenzik_json_at(int32_t value, uint32_t i);
TENZIK_IMPORT("json_key") int32_t tenzik_json_key(int32_t value, uint32_t i);
TENZIK_IMPORT("json_raw") int32_t tenzik_json_raw(int32_t value);
TENZIK_IMPORT("json_str") int32_t tenzik_json_str(int32_t value);
TENZIK_IMPORT("json_num") double tenzik_json_num(int32_t value);
TENZIK_IMPORT("num_parse") double tenzik_num_parse(const char *text, uint32_t len);
TENZIK_IMPORT("num_format") int32_t tenzik_num_format(double value);
TENZIK_IMPORT("json_path")
int32_t tenzik_json_path(const char *doc, uint32_t doc_len, const char *path, uint32_t path_len);

/* Capability `base64`. */
#define TENZIK_BASE64_URL_SAFE 1u
#define TENZIK_BASE64_NO_PADDING 2u
TENZIK_IMPORT("base64_encode")
int32_t tenzik_base64_encode(const void *from, uint32_t len, uint32_t flags);
TENZIK_IMPORT("base64_decode")
int32_t tenzik_base64_decode(const char *text, uint32_t len, uint32_t flags);

/* Capabilities `time` and `random`. */
TENZIK_IMPORT("time_now_ms") int64_t tenzik_time_now_ms(void);
TENZIK_IMPORT("random_bytes") void tenzik_random_bytes(void *to, uint32_t len);

/* Capability `tools`: reserved. A run that is granted it is refused where no gateway is attached. */
TENZIK_IMPORT("tool_call")
int32_t tenzik_tool_call(const char *id, uint32_t id_len, const char *args, uint32_t args_len);

/* The first byte that neither static data nor the stack uses; the linker provides it. */
extern unsigned char __heap_base;

/* Grows the memory, if it must, so that `len` bytes from `from` on are there. Traps if it cannot. */
static inline void tenzik_reserve(const void *from, uint32_t len) {
  uint64_t end = (uint64_t)(uintptr_t)from + len;
  uint32_t pages = (uint32_t)((end + 0xffff) >> 16);
  uint32_t have = (uint32_t)__builtin_wasm_memory_size(0);
  if (pages > have && __builtin_wasm_memory_grow(0, pages - have) == (size_t)-1) __builtin_trap();
}

#endif
