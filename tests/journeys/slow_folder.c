// A folder that takes its time: loaded before the C library, it holds whoever lists SLUICE_SLOW_FOLDER until
// somebody opens the pipe SLUICE_SLOW_FOLDER_GATE for writing. All else goes to the C library as it is.

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

DIR *opendir(const char *path) {
    const char *slow = getenv("SLUICE_SLOW_FOLDER"), *gate = getenv("SLUICE_SLOW_FOLDER_GATE");
    if (slow && gate && strcmp(path, slow) == 0) {
        // Opening a pipe for reading waits for its writer.
        close(open(gate, O_RDONLY | O_CLOEXEC));
    }
    DIR *(*listed)(const char *) = (DIR *(*)(const char *))dlsym(RTLD_NEXT, "opendir");
    return listed(path);
}
