/* AloVoice as a benchmark needs it, at a few microseconds a request: reads a POST, waits, answers 200 with JSON.
 *
 *   stub DELAY_MICROSECONDS      prints its port, then serves on 127.0.0.1 until it is ended
 *
 * GET / answers "POSTs last_arrival_ns connections"; GET /times answers the arrival of each POST as little-endian
 * 64-bit nanoseconds of CLOCK_MONOTONIC, which is what Python calls time.monotonic_ns. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define ROOM 16384
#define FDS 65536
#define TIMES (8 << 20)

struct connection { char data[ROOM]; size_t used; uint32_t life; };
struct answer { int fd; uint32_t life; int64_t due; };

static struct connection *connections[FDS];
static uint32_t lives[FDS];
static struct answer *waiting; /* a ring: the delay is one for all, so that the first in is the first due */
static size_t head, tail, ring = 1 << 20;
static int64_t *times;
static long posts, accepted;
static int64_t delay;
static int epoll, timer;

static int64_t now(void) {
    struct timespec moment;
    clock_gettime(CLOCK_MONOTONIC, &moment);
    return moment.tv_sec * 1000000000LL + moment.tv_nsec;
}

static void send_all(int fd, const char *data, size_t size) {
    while (size > 0) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN) return;
            struct pollfd room = {fd, POLLOUT, 0};
            poll(&room, 1, 1000);
            continue;
        }
        data += sent;
        size -= sent;
    }
}

static void reply(int fd, const char *kind, const char *body, size_t size) {
    char text[512];
    int length = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n", kind, size);
    if (size + length <= sizeof text) {
        memcpy(text + length, body, size);
        send_all(fd, text, length + size);
    } else {
        send_all(fd, text, length);
        send_all(fd, body, size);
    }
}

static const char ANSWER[] = "{\"answer\":{\"id\":1}}";

static void arm_timer(void) {
    struct itimerspec when = {{0, 0}, {0, 0}};
    if (head != tail) {
        int64_t due = waiting[head % ring].due;
        when.it_value.tv_sec = due / 1000000000LL;
        when.it_value.tv_nsec = due % 1000000000LL;
    }
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void post(int fd) {
    int64_t at = now();
    if (posts < TIMES) times[posts] = at;
    posts++;
    if (delay == 0) {
        reply(fd, "application/json", ANSWER, sizeof ANSWER - 1);
        return;
    }
    waiting[tail % ring] = (struct answer){fd, lives[fd], at + delay};
    if (tail++ == head) arm_timer();
}

static void get(int fd, const char *path) {
    if (strncmp(path, "/times", 6) == 0) {
        long kept = posts < TIMES ? posts : TIMES;
        reply(fd, "application/octet-stream", (char *)times, kept * sizeof *times);
        return;
    }
    char text[100];
    long long last = posts ? times[(posts <= TIMES ? posts : TIMES) - 1] : 0;
    int length = snprintf(text, sizeof text, "%ld %lld %ld", posts, last, accepted);
    reply(fd, "text/plain", text, length);
}

static void drop(int fd) {
    free(connections[fd]);
    connections[fd] = NULL;
    lives[fd]++;
    close(fd);
}

/* The size of the first whole request in the buffer; 0 where it has not arrived. */
static size_t request_size(struct connection *it) {
    it->data[it->used] = 0;
    char *end = strstr(it->data, "\r\n\r\n");
    if (end == NULL) return 0;
    size_t start = end - it->data + 4;
    *end = 0;
    char *length = strcasestr(it->data, "\r\ncontent-length:");
    int chunked = strcasestr(it->data, "\r\ntransfer-encoding: chunked") != NULL;
    *end = '\r';
    if (chunked) {
        char *last = strstr(end + 2, "\r\n0\r\n\r\n");
        return last == NULL ? 0 : (size_t)(last - it->data) + 7;
    }
    size_t size = start + (length == NULL ? 0 : strtoul(length + 17, NULL, 10));
    return size <= it->used ? size : 0;
}

static void readable(int fd) {
    struct connection *it = connections[fd];
    ssize_t got = recv(fd, it->data + it->used, ROOM - 1 - it->used, 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) drop(fd);
        return;
    }
    it->used += got;
    size_t size;
    while (it->used > 0 && (size = request_size(it)) > 0) {
        if (it->data[0] == 'G') get(fd, it->data + 4);
        else post(fd);
        memmove(it->data, it->data + size, it->used - size);
        it->used -= size;
    }
    if (it->used >= ROOM - 1) drop(fd);
}

int main(int count, char **values) {
    signal(SIGPIPE, SIG_IGN);
    delay = count > 1 ? atoll(values[1]) * 1000 : 0;
    times = calloc(TIMES, sizeof *times);
    waiting = calloc(ring, sizeof *waiting);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int one = 1, server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof place;
    if (bind(server, (struct sockaddr *)&place, size) < 0 || listen(server, 4096) < 0) return 1;
    getsockname(server, (struct sockaddr *)&place, &size);
    epoll = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = server}, events[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, server, &event);
    event.data.fd = timer;
    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event);
    printf("%d\n", ntohs(place.sin_port));
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(epoll, events, 256, -1);
        for (int n = 0; n < ready; n++) {
            int fd = events[n].data.fd;
            if (fd == timer) {
                uint64_t times_over;
                if (read(timer, &times_over, sizeof times_over) < 0 && errno != EAGAIN) return 1;
                int64_t moment = now();
                while (head != tail && waiting[head % ring].due <= moment) {
                    struct answer *next = &waiting[head++ % ring];
                    if (connections[next->fd] != NULL && lives[next->fd] == next->life)
                        reply(next->fd, "application/json", ANSWER, sizeof ANSWER - 1);
                }
                arm_timer();
            } else if (fd == server) {
                int client;
                while ((client = accept4(server, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    if (client >= FDS) { close(client); continue; }
                    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    connections[client] = calloc(1, sizeof **connections);
                    accepted++;
                    event.events = EPOLLIN;
                    event.data.fd = client;
                    epoll_ctl(epoll, EPOLL_CTL_ADD, client, &event);
                }
            } else if (connections[fd] != NULL) {
                readable(fd);
            }
        }
    }
}
