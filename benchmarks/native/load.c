/* A closed load of HTTP/1.1: each of some connections sends the same request again as soon as it is answered.
 *
 *   load PORT CONNECTIONS SECONDS < REQUEST
 *
 * Prints "answered refused p50_us p99_us seconds"; refused are answers other than 2xx. The first fifth of the time warms
 * up and is not counted. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROOM 65536
#define MOST 4096
#define BUCKETS 2000000 /* microseconds */

struct client { char data[ROOM]; size_t used; int64_t sent; };

static char request[ROOM];
static size_t request_size;
static struct client *clients[MOST];
static uint32_t *took;
static int epoll;

static int64_t now(void) {
    struct timespec moment;
    clock_gettime(CLOCK_MONOTONIC, &moment);
    return moment.tv_sec * 1000000000LL + moment.tv_nsec;
}

static int ask(int fd) {
    clients[fd]->used = 0;
    clients[fd]->sent = now();
    return send(fd, request, request_size, MSG_NOSIGNAL) == (ssize_t)request_size;
}

/* The status of a whole answer; 0 where it has not arrived. */
static int status_of(struct client *it) {
    it->data[it->used] = 0;
    char *end = strstr(it->data, "\r\n\r\n");
    if (end == NULL) return 0;
    char *length = strcasestr(it->data, "content-length:");
    size_t size = end - it->data + 4 + (length == NULL || length > end ? 0 : strtoul(length + 15, NULL, 10));
    return it->used >= size ? atoi(it->data + 9) : 0;
}

static int open_one(int port) {
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || fd >= MOST || connect(fd, (struct sockaddr *)&place, sizeof place) < 0) return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (clients[fd] == NULL) clients[fd] = calloc(1, sizeof **clients);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    return ask(fd) ? fd : -1;
}

int main(int count, char **values) {
    if (count < 4) return 2;
    int port = atoi(values[1]), wanted = atoi(values[2]);
    int64_t length = (int64_t)(atof(values[3]) * 1e9);
    ssize_t got;
    while ((got = read(0, request + request_size, ROOM - request_size)) > 0) request_size += got;
    took = calloc(BUCKETS, sizeof *took);
    epoll = epoll_create1(0);
    for (int n = 0; n < wanted; n++)
        if (open_one(port) < 0) return 1;
    int64_t began = now(), counted_from = began + length / 5, ends = began + length, moment = began;
    long answered = 0, refused = 0;
    struct epoll_event events[256];
    while (moment < ends) {
        int ready = epoll_wait(epoll, events, 256, 100);
        moment = now();
        for (int n = 0; n < ready; n++) {
            int fd = events[n].data.fd;
            struct client *it = clients[fd];
            ssize_t size = recv(fd, it->data + it->used, ROOM - 1 - it->used, 0);
            if (size <= 0) { /* a server may close after some answers */
                close(fd);
                if (open_one(port) < 0) return 1;
                continue;
            }
            it->used += size;
            int status = status_of(it);
            if (status == 0) continue;
            if (moment >= counted_from) {
                int64_t microseconds = (moment - it->sent) / 1000;
                took[microseconds < BUCKETS ? microseconds : BUCKETS - 1]++;
                answered++;
                refused += status < 200 || status > 299;
            }
            ask(fd);
        }
    }
    long below = 0, p50 = -1, p99 = -1;
    for (long n = 0; n < BUCKETS && p99 < 0; n++) {
        below += took[n];
        if (p50 < 0 && below * 2 >= answered) p50 = n;
        if (below * 100 >= answered * 99) p99 = n;
    }
    printf("%ld %ld %ld %ld %.6f\n", answered, refused, p50, p99, (moment - counted_from) / 1e9);
    return 0;
}
