/* Answers keepalived in place of a kernel without IPVS: every request succeeds. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

/* The numbers that <linux/ip_vs.h> reserves. */
#define IS_IPVS(level, name) ((level) == IPPROTO_IP && (name) >= 1152 && (name) < 1216)

int getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
	int (*next)(int, int, int, void *, socklen_t *) = dlsym(RTLD_NEXT, "getsockopt");

	if (IS_IPVS(level, name)) {
		memset(value, 0, *length);
		return 0;
	}
	return next(fd, level, name, value, length);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	int (*next)(int, int, int, const void *, socklen_t) = dlsym(RTLD_NEXT, "setsockopt");

	return IS_IPVS(level, name) ? 0 : next(fd, level, name, value, length);
}
