/* The first program in a container of an engine, which passes no descriptors on: it opens what a program of Tenzik finds
 * open, says that it is there, waits for the word, and becomes the program.
 *
 * Enters: the number of the last descriptor (3, or 4 where there are tools), and the program with its arguments. Leaves: the
 * program, in the same process. Refuses: to begin before the host has looked at the container.
 *
 * It runs with the program's own rights, and before any code of the image.
 */
#include <fcntl.h>
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
    int fd = open(WAY "go", O_RDONLY | O_CLOEXEC);
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

static void wait_for_word(int fd) {
    char word;
    if (read(fd, &word, 1) != 1)
        _exit(NO_WAY);
    close(fd);
}

int main(int count, char **words) {
    if (count < 3)
        return NO_WAY;
    place(open(WAY "in", O_RDONLY), 0);
    place(open(WAY "out", O_WRONLY), 1);
    place(open(WAY "err", O_WRONLY), 2);
    place(open(WAY "result", O_WRONLY), 3);
    if (strcmp(words[1], "4") == 0)
        connect_tools();
    int word = open_word();
    report();
    wait_for_word(word);
    execvp(words[2], words + 2);
    perror(words[2]);
    return NO_PROGRAM;
}
