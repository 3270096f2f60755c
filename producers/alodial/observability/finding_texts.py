"""What findings say and what to do about them, in English, by code or by code and reason.

The monitor translates them in `locales`; a test keeps its English equal to these.
"""

from typing import Final

from ..store.keys import Keys

TEXTS: Final = {
    "account_held": "Account {account} pauses for {left_s} more: {why}.",
    "archive_behind.full": ("The disk of the archive is full; the archive is {lag_s} behind: {detail}."),
    "archive_behind.missing": ("ALODIAL_ARCHIVE_URL is set, and no archiver has run: nothing is archived."),
    "archive_behind.slow": ("The archive is {lag_s} behind: its process does not run, or is too slow."),
    "archive_behind.unavailable": ("The archive’s database takes nothing; the archive is {lag_s} behind: {detail}."),
    "breaker_open.token": "AloVoice refuses the token of account {account}. {ready:call waits|calls wait}.",
    "breaker_open.unreachable": ("Account {account} cannot reach AloVoice ({why}). {ready:call waits|calls wait}."),
    "broker_unreachable": "The broker’s Redis (ALODIAL_BROKER_URL) does not answer {processes}: {detail}.",
    "callback_secret_missing": "ALODIAL_CALLBACK_SECRET is not set: no result can arrive, and calls never complete.",
    "callbacks_refused.double_slash": (
        "{count:callback was refused|callbacks were refused}: the callback address at AloVoice "
        "has the right secret and two slashes in a row."
    ),
    "callbacks_refused.other_host": (
        "{count:callback was refused|callbacks were refused}: they came with another secret and "
        "for another host than ALODIAL_PUBLIC_URL."
    ),
    "callbacks_refused.other_source": (
        "{count:callback was refused|callbacks were refused}: they came from an address that "
        "ALODIAL_CALLBACK_SOURCES does not name."
    ),
    "callbacks_refused.quotes": (
        "{count:callback was refused|callbacks were refused}: the callback address at AloVoice "
        "has the right secret with spaces or quotes around it."
    ),
    "callbacks_refused.secret": (
        "{count:callback was refused|callbacks were refused}: the secret in AloVoice’s callback "
        "address is not ALODIAL_CALLBACK_SECRET."
    ),
    "callbacks_refused.trailing_slash": (
        "{count:callback was refused|callbacks were refused}: the callback address at AloVoice "
        "has the right secret and a slash too many at its end."
    ),
    "campaign_bound.channels": "Campaign {name}: its own channels are in use, {ready:call waits|calls wait} for them.",
    "campaign_bound.closed": "Campaign {name} is outside its hours: {ready:call waits|calls wait}, for {opens_s} more.",
    "campaign_bound.hours": (
        "Campaign {name}: {ready:call waits|calls wait} for the hours of their own zones or for tomorrow’s share."
    ),
    "campaign_bound.pace": "Campaign {name}: its own pace holds {ready:call|calls} back.",
    "channels_full": (
        "Channels are the bottleneck of account {account}: {used} of {allowed} are in use, "
        "{ready:call waits|calls wait}."
    ),
    "clock_differs": "The clock of {processes} differs from that of Redis by {detail}.",
    "connect_forbidden": (
        "The machine of {processes} does not permit connections to AloVoice. Its "
        "calls wait, or go through workers elsewhere."
    ),
    "dead_results": "{count:result matches|results match} no call or cannot be read.",
    "events_lost": ("{count:event was|events were} dropped in the last 7 days before every group had read them."),
    "events_unread": (
        "The group {group} has not read {count:event|events}, the oldest for {oldest_s}. They "
        "are dropped after {limit_s}, or above {allowed}."
    ),
    "inbox_lag": "{count:result waits|results wait} to be read, the oldest for {oldest_s}.",
    "keys_guessed": "API keys that nobody has came from about {count} addresses in the last minutes.",
    "logs_lost": "{count:log line|log lines} of the last day did not get to Redis.",
    "mass_rejection": "AloVoice rejected {count:call|calls} in the last 5 minutes, more than it took.",
    "no_worker": "No worker is alive. {waiting:call or result waits|calls and results wait}.",
    "orphans": "{count:result waits|results wait} for a call that is not known yet.",
    "out_of_files": (
        "{processes} ran out of file descriptors (the limit is {detail}) and cannot open "
        "connections. Calls and events wait, or go through other workers."
    ),
    "out_of_memory": (
        "The machine of {processes} has no memory or threads left for connections. "
        "Calls and events wait, or go through other workers."
    ),
    "out_of_ports": (
        "The machine of {processes} has no local ports left for connections. Calls "
        "and events wait, or go through other workers."
    ),
    "provider_address_wrong": (
        "ALODIAL_PROVIDER_URL or the token of account {account} is wrong: AloVoice took no call "
        "there and answers {why}. {ready:call waits|calls wait}; none is rejected for it."
    ),
    "rate_bound": (
        "The rate is the bottleneck of account {account}: {rate} of {allowed} a second are used, "
        "{ready:call waits|calls wait}, about {left_s}."
    ),
    "results_missing": (
        "No result has come for {count:submitted call|submitted calls}, the oldest for "
        "{oldest_s}, and no callback at all since. They keep their channels."
    ),
    "setting_unknown": "{detail} ({processes}).",
    "spool_not_writable": "{processes} cannot keep results on disk while Redis is away: {detail}.",
    "stopped": "The emergency stop has been on for {since_s}: {reason} ({who}). Nothing is dialled.",
    "store_cluster": (
        "Redis is a node of a Redis Cluster, addressed as if it stood alone: "
        "another node may own the calls at any time."
    ),
    "store_evicts": "A full Redis throws calls away: its maxmemory-policy is {policy}.",
    "store_full": (
        "The store uses {percent} % of its {limit_mb} MB. Above {allowed} % no new calls and "
        "campaigns are taken; stops, cancellations, do-not-call lists and results go on."
    ),
    "store_loses_on_failover": "A failover of Redis loses the calls and results of its last seconds ({detail}).",
    "store_not_durable": "Redis has no append-only file: its restart loses every call since its last snapshot.",
    "store_unavailable": "{detail}.",
    "stuck": ("Account {account} has room, and yet {ready:call waits|calls wait}, the oldest for {oldest_s}."),
    "unconfirmed_old": (
        "{count:call is|calls are} unconfirmed, the oldest for {oldest_s}: nobody knows whether the phone rang."
    ),
    "web_loop_failing": "Web process {process} cannot do a part of its work: {loops}. It tries again by itself.",
    "webhook_disabled": "Webhook {url} is switched off; {parked:event is|events are} parked.",
    "webhook_failing": (
        "Webhook {url} does not take events; {waiting:event waits|events wait}, the oldest for {lag_s}."
    ),
    "worker_loop_failing": "Worker {worker} cannot do a part of its work: {loops}. It tries again by itself.",
    "worker_silent": "Worker {worker} has been silent for {silent_s}; it had {in_flight:call|calls} in flight.",
    "workers_differ": "Workers do not have the same {parts}: {workers}.",
}
"""What is wrong."""

REMEDIES: Final = {
    "account_held": "It goes on by itself. If it happens again, look at what AloVoice answered.",
    "archive_behind.full": (
        "Make room, or delete what is old (ALODIAL_ARCHIVE_MONTHS). "
        "Nothing is lost: ended calls wait in Redis, and the archive catches up by itself."
    ),
    "archive_behind.missing": (
        "Start it: alodial archive. Or remove the setting; ended calls then stay in Redis for ALODIAL_CALL_RETENTION."
    ),
    "archive_behind.slow": (
        "Look whether alodial archive runs and at its log lines. Ended calls wait in Redis until it has them."
    ),
    "archive_behind.unavailable": (
        "Start the database, or correct ALODIAL_ARCHIVE_URL. "
        "Nothing is lost: ended calls wait in Redis, and the archive catches up by itself."
    ),
    "breaker_open.token": "Correct the token, restart the workers, then resume the account.",
    "breaker_open.unreachable": (
        "Check ALODIAL_PROVIDER_URL and the network. Calls go on by themselves once AloVoice answers."
    ),
    "broker_unreachable": "Start it, or correct ALODIAL_BROKER_URL; workers are not woken until it answers.",
    "callback_secret_missing": (
        "Set it, restart web, and give AloVoice the address https://YOUR-HOST/callbacks/alovoice/SECRET."
    ),
    "callbacks_refused.double_slash": "Write one slash between the host and callbacks/alovoice/ in AloVoice’s settings.",
    "callbacks_refused.other_host": (
        "AloVoice has the callback address of another installation, or an old one: give it that of ALODIAL_PUBLIC_URL."
    ),
    "callbacks_refused.other_source": "If it is AloVoice, add its address to ALODIAL_CALLBACK_SOURCES; the log names it.",
    "callbacks_refused.quotes": "Remove the spaces and quotes around the secret in AloVoice’s settings.",
    "callbacks_refused.secret": (
        "Copy the callback address again into AloVoice’s settings: "
        "https://YOUR-HOST/callbacks/alovoice/SECRET. Calls without their result do not complete "
        "and keep their channels."
    ),
    "callbacks_refused.trailing_slash": "Remove the slash at the end of the callback address in AloVoice’s settings.",
    "campaign_bound.channels": "Raise the campaign’s channels if it may hold more lines.",
    "campaign_bound.closed": "Nothing to do: they go when its hours open.",
    "campaign_bound.hours": "Nothing to do: they go when its hours open.",
    "campaign_bound.pace": "Nothing to do. Raise the campaign’s pace if it should go faster.",
    "channels_full": "Raise ALODIAL_MAX_CONCURRENT_CALLS if your PBX has more lines.",
    "clock_differs": "Set the clock of that machine (NTP). No call depends on it; log lines and certificates are dated by it.",
    "connect_forbidden": (
        "Allow outgoing connections to ALODIAL_PROVIDER_URL there: firewall, IPAddressDeny= of systemd, SELinux."
    ),
    "dead_results": "Open them, then retry or delete them.",
    "events_lost": (
        "The log names the groups (events.dropped). Their readers must catch up from the calls themselves."
    ),
    "events_unread": (
        f"Start the group’s reader. If nobody needs the group: redis-cli XGROUP DESTROY {Keys().EVENTS} NAME "
        "(with your ALODIAL_NAMESPACE in place of alodial)."
    ),
    "inbox_lag": "Start more workers, or look in the log at what holds them up.",
    "keys_guessed": (
        "If your programs have an old key, give them the new one. Otherwise "
        "somebody tries keys: let only known addresses "
        "reach alodial web. Each address is slowed down, and valid keys are never delayed."
    ),
    "logs_lost": "They are in the standard output of the processes that wrote them.",
    "mass_rejection": (
        "Look at the reason before more are lost: alodial calls list --state rejected. Pause the "
        "campaign if its numbers are wrong."
    ),
    "no_worker": "Start a worker, and look at the last lines of the log.",
    "orphans": "They are matched when their call appears. Without it they go to Callbacks, as results with no matching call.",
    "out_of_files": (
        "Raise the limit (ulimit -n, LimitNOFILE= of systemd), or lower ALODIAL_MAX_IN_FLIGHT or "
        "the number of workers on that machine. Restart the workers."
    ),
    "out_of_memory": (
        "Give it more memory (or threads: TasksMax= of systemd), or lower "
        "ALODIAL_MAX_IN_FLIGHT or the number of workers there."
    ),
    "out_of_ports": (
        "Look with ss -s what holds them. Widen net.ipv4.ip_local_port_range, or lower "
        "ALODIAL_MAX_IN_FLIGHT or the number of workers there."
    ),
    "provider_address_wrong": (
        "Correct it, restart the workers, then resume the account. A call tries again by itself once a minute at least."
    ),
    "rate_bound": "Raise ALODIAL_CALLS_PER_SECOND if AloVoice allows more.",
    "results_missing": (
        "Check the callback address in AloVoice’s settings and that it reaches alodial web from "
        "outside. Once that is repaired: alodial channels release."
    ),
    "setting_unknown": "Correct the name in the environment or in .env, or remove it, and restart the process.",
    "spool_not_writable": "Make ALODIAL_SPOOL_DIR a folder that this user may write, on a disk with room.",
    "stopped": "Resume when the reason is gone.",
    "store_cluster": "Write ALODIAL_REDIS_URL as redis+cluster://host:6379,host:6379.",
    "store_evicts": "Run: redis-cli CONFIG SET maxmemory-policy noeviction. At a hosted Redis, choose it in its settings.",
    "store_full": ("Give Redis more memory (maxmemory), or keep ended calls for less time (ALODIAL_CALL_RETENTION)."),
    "store_loses_on_failover": "Set ALODIAL_DURABILITY=replica for all processes.",
    "store_not_durable": "Run: redis-cli CONFIG SET appendonly yes. At a hosted Redis, switch its persistence on.",
    "store_unavailable": "Start Redis, or correct ALODIAL_REDIS_URL. Calls and results wait until it answers.",
    "stuck": "Look at the log: workers may be busy or without a connection.",
    "unconfirmed_old": "Wait for the result, or call again and accept that the phone may ring twice.",
    "web_loop_failing": (
        "Calls go on. Read its error lines: they name the cause; report it if it is a fault of Alodial."
    ),
    "webhook_disabled": "Fix the receiver, switch it on, send what was parked.",
    "webhook_failing": "Events are tried again for 75 hours. Look at what it answers.",
    "worker_loop_failing": (
        "Calls go on. Read its error lines: they name the cause; report it if it is a fault of Alodial."
    ),
    "worker_silent": "What it held is taken over by others when its lease ends. Look at its last log lines.",
    "workers_differ": "Give them the same settings and version, and restart them.",
}
"""What to do."""
