/* The main() of a fuzzer built without libFuzzer: runs every file of the folders and files named,
 * in order of their names, as an ordinary test. */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "../support/fuzz.h"

#include "base/attr.h"
#include "base/mem.h"

static unsigned long ran, unread;

static void run_file(const char *path)
{
    struct stat st;
    FILE *f = fopen(path, "rbe");
    if (f == NULL || fstat(fileno(f), &st) != 0) {
        (void)fprintf(stderr, "%s: cannot be read\n", path);
        unread++;
    } else {
        uint8_t *data = mem_resize(NULL, (size_t)st.st_size); /* exact: reading past it is seen */
        size_t n = fread(data, 1, (size_t)st.st_size, f);
        (void)LLVMFuzzerTestOneInput(data, n);
        mem_free(data);
        ran++;
    }
    if (f != NULL)
        (void)fclose(f);
}

static void run_folder(const char *path, struct dirent **entries, int n)
{
    for (int i = 0; i < n; i++) {
        char file[4096];
        if (entries[i]->d_name[0] != '.') {
            (void)snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
            run_file(file);
        }
        mem_free(entries[i]);
    }
    mem_free(entries);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct dirent **entries;
        int n = scandir(argv[i], &entries, NULL, alphasort);
        if (n >= 0)
            run_folder(argv[i], entries, n);
        else
            run_file(argv[i]);
    }
    (void)printf("%lu inputs\n", ran);
    return ran > 0 && unread == 0 ? 0 : 1; /* an empty corpus is a mistake, not a success */
}
