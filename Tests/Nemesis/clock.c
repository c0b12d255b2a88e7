// Sets a program's wall clock forth or back while it runs, by the seconds in the file that NEMESIS_CLOCK names: an int64_t that
// may change at any time. It is loaded by LD_PRELOAD.
//
// libfaketime does more than is wanted: it takes every absolute deadline of a timerfd for one of the wall clock, also those of
// the monotonic clock, by which Swift's tasks sleep; they then wake hours late, or all the time.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static _Atomic(int64_t) *ahead;

__attribute__((constructor)) static void open_clock(void) {
    const char *path = getenv("NEMESIS_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *page = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    if (page != MAP_FAILED) ahead = page;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static _Atomic(void *) real;
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = ((int (*)(clockid_t, struct timespec *))real)(clock, now);
    if (result == 0 && ahead && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += *ahead;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now) *now = precise.tv_sec;
    return precise.tv_sec;
}
