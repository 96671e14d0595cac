/* Makes one system call that has no use but to get out, without any library: `poke ptrace` or `poke mount`.
   Exits with 0 if the kernel did it. Built by the tests: cc -static -nostdlib -ffreestanding -O1 poke.c -o poke */

#if defined(__x86_64__)
enum { PTRACE = 101, MOUNT = 165, EXIT = 60 };
static long call(long number, long a, long b, long c, long d, long e) {
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
}
__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call begin\n");
#elif defined(__aarch64__)
enum { PTRACE = 117, MOUNT = 40, EXIT = 93 };
static long call(long number, long a, long b, long c, long d, long e) {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
}
__asm__(".globl _start\n_start: mov x0, sp\n bl begin\n");
#endif

enum { PTRACE_ATTACH = 16 };

__attribute__((used)) void begin(long *stack) {
    const char *what = (const char *)stack[2];
    long result = -1;
    if (what[0] == 'p') {
        result = call(PTRACE, PTRACE_ATTACH, 1, 0, 0, 0);
    } else {
        result = call(MOUNT, (long)"none", (long)"/tmp", (long)"tmpfs", 0, 0);
    }
    call(EXIT, result == 0 ? 0 : 1, 0, 0, 0, 0);
    for (;;) {
    }
}
