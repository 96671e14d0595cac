/* The first program in a sandbox whose inside the host does not see: it says on descriptor 3 where it is, and becomes the
 * program.
 *
 * Enters: a word, and the program with its arguments. `open` is gVisor's, where all descriptors are open. `3`, or `4` where there
 * are tools, is the number of the last descriptor in a container of an engine, which passes none on: there it opens them, and
 * waits until the host has looked at the container. Leaves: the program, in the same process.
 *
 * It runs with the program's own rights, and before any code of the image.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#define WAY "/.tenzik/"

/* What it exits with if it cannot do its work, before the program begins. */
enum { NO_WAY = 121, NO_PROGRAM = 127 };

static void place(int fd, int number) {
    if (fd < 0)
        _exit(NO_WAY);
    if (fd == number)
        return;
    if (dup2(fd, number) < 0)
        _exit(NO_WAY);
    close(fd);
}

/* The end to write to, at once or not at all: under gVisor a program that waits for the other end cannot be ended by a signal,
 * and where the host is gone nobody comes. The program finds a pipe that blocks. */
static int open_pipe(const char *path) {
    int fd = open(path, O_WRONLY | O_NONBLOCK);
    if (fd < 0 || fcntl(fd, F_SETFL, O_WRONLY) < 0)
        _exit(NO_WAY);
    return fd;
}

static void connect_tools(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = WAY "tools"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        _exit(NO_WAY);
    place(fd, 4);
}

/* The pipe of the word. It is opened before the host is told that all is: once it has spoken the host lets go of its end, and
 * a pipe that has no other end cannot be opened. */
static int open_word(void) {
    int fd = open(WAY "go", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        _exit(NO_WAY);
    return fd;
}

/* The bytes that can be written below /tmp, and whether nothing can be written below the root, as this sandbox has it. */
static void report(void) {
    struct statvfs tmp, root;
    char line[64];
    if (statvfs("/tmp", &tmp) < 0 || statvfs("/", &root) < 0)
        _exit(NO_WAY);
    unsigned long long bytes = (unsigned long long)tmp.f_blocks * tmp.f_frsize;
    int length = snprintf(line, sizeof line, "%llu %d\n", bytes, (root.f_flag & ST_RDONLY) != 0);
    if (write(3, line, (size_t)length) != length)
        _exit(NO_WAY);
}

/* A read that blocks could not be ended by a signal either. */
static void wait_for_word(int fd) {
    struct pollfd word_is_there = {.fd = fd, .events = POLLIN};
    char word;
    if (poll(&word_is_there, 1, -1) != 1 || read(fd, &word, 1) != 1)
        _exit(NO_WAY);
    close(fd);
}

static _Noreturn void become(char **words) {
    execvp(words[0], words);
    perror(words[0]);
    _exit(NO_PROGRAM);
}

int main(int count, char **words) {
    if (count < 3)
        return NO_WAY;
    if (strcmp(words[1], "open") == 0) {
        report();
        become(words + 2);
    }
    place(open(WAY "in", O_RDONLY), 0);
    place(open_pipe(WAY "out"), 1);
    place(open_pipe(WAY "err"), 2);
    place(open_pipe(WAY "result"), 3);
    if (strcmp(words[1], "4") == 0)
        connect_tools();
    int word = open_word();
    report();
    wait_for_word(word);
    become(words + 2);
}
