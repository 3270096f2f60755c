"""Bugs planted in what the scripts do for campaigns, one at a time: a test of this folder finds every one."""

import importlib
import inspect
from collections.abc import Callable
from functools import partialmethod

import pytest
from campaign_harness import Harness
from changed_script import changed, places
from store_harness import ClockedStore

from alodial.testing.redis_server import EmbeddedRedis

PLANTED = {
    # Shares
    "held back by its channels it saves up": (
        "score(math.max(number(redis.call('HGET', P .. 'acct:' .. a, field)), number(c[2])))",
        "score(number(c[2]))",
        "shares.a_campaign_that_its_channels_held_back_saves_up_no_share",
    ),
    "weights count for nothing": (
        "flow.v + 1 / flow.w",
        "flow.v + 1",
        "shares.weights_of_3_and_1_share_3_to_1_whatever_a_claim_takes",
    ),
    "a share of channels is not kept": (
        "if flow.share then redis.call('ZADD', P .. 'gchan:' .. flow.g, ms + lease + channel_ms, x) end",
        "",
        "shares.a_campaign_never_holds_more_than_its_channels",
    ),
    "one claim takes more than the channels left": (
        "flow.taken, flow.free = flow.v + 1 / flow.w, true, flow.free - 1",
        "flow.taken = flow.v + 1 / flow.w, true",
        "shares.a_campaign_never_holds_more_than_its_channels",
    ),
    "a pace is forgotten between claims": (
        "if flow.taken and flow.pace > 0 then redis.call('HSET', P .. 'g:' .. flow.g, 'gtat', int(flow.tat)) end",
        "",
        "shares.a_pace_holds_when_the_hopper_runs_dry_again_and_again",
    ),
    "a pace is forgotten when the hopper runs dry": (
        "leave(flow.group.set, flow.g, flow.v)\n    keep_pace(flow)",
        "leave(flow.group.set, flow.g, flow.v)",
        "shares.a_pace_holds_when_the_hopper_runs_dry_again_and_again",
    ),
    "a new pace waits for the old slot": (
        "then redis.call('HDEL', key, 'gtat') end",
        "then end",
        "shares.a_pace_holds_a_campaign_back_and_a_change_works_at_once",
    ),
    "a change of anything forgets the pace": (
        "if ARGV[i] == 'pace' and number(ARGV[i + 1]) ~= number(redis.call('HGET', key, 'pace')) then",
        "if true then",
        "shares.a_change_that_leaves_the_pace_alone_starts_no_call_early",
    ),
    # Who may go now
    "a claim looks at a few campaigns only": (
        "if group.more and looks < MAX_LOOKS and",
        "if false and",
        "runnable.who_may_not_go_keeps_nobody_from_going",
    ),
    "whoever has no channel stays in the way": (
        "table.remove(flows, where)\n        wait_for_channel(best)",
        "table.remove(flows, where)",
        "runnable.who_may_not_go_keeps_nobody_from_going",
    ),
    "a claim that came to nobody says that there is nobody": (
        "if looks >= MAX_LOOKS then status = 'ok' end",
        "",
        "runnable.who_may_not_go_keeps_nobody_from_going",
    ),
    "a channel that is free brings nobody back": (
        "if redis.call('SREM', P .. 'full:' .. r.a .. ':' .. r.p, r.g) == 1 then join(r.g, r.a, r.p) end",
        "",
        "runnable.a_channel_that_is_free_brings_back_who_waited_for_it",
    ),
    "a channel that nobody frees brings nobody back": (
        "look_at(flow.g, math.min(tonumber(lapses or nil) or ms, ms + 60000))",
        "",
        "runnable.a_channel_that_an_earlier_version_frees_brings_back_who_waited_for_it",
    ),
    "a slot that has come brings nobody back": (
        "redis.call('ZREM', paced, g)\n    join(g, account, p)",
        "redis.call('ZREM', paced, g)",
        "shares.a_pace_holds_a_campaign_back_and_a_change_works_at_once",
    ),
    "a change does not reach who is held back": (
        "if state == 'running' and redis.call('EXISTS', P .. 'gq:' .. g) == 1 then join(g, c[2], c[3]) end",
        "",
        "shares.a_pace_holds_a_campaign_back_and_a_change_works_at_once",
    ),
    "a hopper that runs low is not filled": (
        "redis.call('ZADD', HUNGRY, 'NX', int(ms), flow.g)",
        "",
        "runnable.a_hopper_is_filled_when_it_runs_low_and_not_before",
    ),
    "campaigns of an earlier version are forgotten": (
        "if number(patrol[1]) <= ms then",
        "if false then",
        "runnable.campaigns_of_an_earlier_version_are_called_on",
    ),
    "a step of the pacer looks at everybody": (
        "redis.call('ZRANGEBYSCORE', WAKE, '-inf', ms, 'LIMIT', 0, LOOKS)",
        "redis.call('SMEMBERS', LIVE)",
        "runnable.campaigns_with_nothing_to_do_cost_a_step_nothing",
    ),
    "a filler that died is waited for": (
        "redis.call('ZADD', HUNGRY, int(ms + 2000), g)",
        "redis.call('ZREM', HUNGRY, g)",
        "runnable.a_hopper_whose_filler_died_is_filled_by_another",
    ),
    # Hours
    "claim does not look at the hours": (
        "if opens ~= 0 then return wait_until(flow, opens or ms + 3600000) end",
        "",
        "windows.nothing_is_claimed_at_or_after_the_close",
    ),
    "arm does not look at the hours": (
        "if not c[2] and opening(P .. 'cal:' .. r.g) ~= 0 then",
        "if false then",
        "windows.a_call_claimed_inside_and_armed_after_the_close_is_first_again_in_the_morning",
    ),
    "whoever waits for his hours is not woken": (
        "look_at(flow.g, at)",
        "",
        "windows.a_waiting_campaign_is_woken_at_its_opening_and_not_before",
    ),
    "no calendar is an open one": (
        "if not nearest then return nil end",
        "if not nearest then return 0 end",
        "windows.without_a_calendar_a_campaign_is_closed",
    ),
    "the close itself is still open": (
        "redis.call('ZRANGEBYSCORE', calendar, '(' .. ms, '+inf', 'LIMIT', 0, 1)[1]",
        "redis.call('ZRANGEBYSCORE', calendar, ms, '+inf', 'LIMIT', 0, 1)[1]",
        "windows.nothing_is_claimed_at_or_after_the_close",
    ),
    "a row's own zone is not looked at": (
        "if opens ~= 0 then return 'window', opens or ms + 3600000 end",
        "",
        "windows.a_row_waits_for_the_hours_of_its_own_zone_and_holds_nobody_up",
    ),
    # The do-not-call list
    "the list is looked into by claim only": (
        "local code, from = forbidden(x, r.n, body, r.g, zone, c and c[3], r.w, r.kc)",
        "local code, from = nil, nil",
        "dnc.a_number_is_not_rung_from_the_moment_it_is_on_a_list",
    ),
    "people who were erased are not looked for": (
        "if erased and redis.call('HEXISTS', P .. 'dnc:#', hashed(n)) == 1 then return 'do_not_call' end",
        "",
        "dnc.an_erased_number_is_not_rung_and_nobody_can_read_it",
    ),
    "a claimed single call is not looked up again where only erased people are listed": (
        "redis.call('EXISTS', P .. 'dnc', P .. 'dnc:#') > 0 or #rules > 0",
        "redis.call('EXISTS', P .. 'dnc') == 1 or #rules > 0",
        "dnc.an_erased_number_is_not_rung_and_nobody_can_read_it",
    ),
    "a campaign's own list is not looked into": (
        "local own_list = g and redis.call('EXISTS', P .. 'dnc:' .. g) == 1",
        "local own_list = false",
        "dnc.a_campaigns_own_list_does_not_apply_to_others",
    ),
    "only the first number is looked up": (
        'for n in string.gmatch(body, \'"phone":"(%+%d+)"\') do found[#found + 1] = n end',
        'found[1] = found[1] or string.match(body, \'"phone":"(%+%d+)"\')',
        "dnc.single_calls_are_refused_in_whatever_role_the_number_is",
    ),
    "the line of a menu is taken for who is rung": (
        'local found = { string.match(body, \'"callto":"(%+%d+)"\') }',
        "local found = {} for n in string.gmatch(body, ':\"(%+%d+)\"') do found[#found + 1] = n end",
        "dnc.the_line_that_a_menu_calls_from_is_not_a_called_number",
    ),
    "what is on the list counts as a failure": (
        "if to == 'failed' or to == 'rejected' and (from == 'submitting' or from == 'unconfirmed') then",
        "if to == 'failed' or to == 'rejected' then",
        "dnc.numbers_put_on_the_list_do_not_pause_a_campaign_as_failures_do",
    ),
    # Frequency caps
    "a key's caps are looked at by claim only": (
        "if r.g or dnc_or_rules or r.kc or has_list(r.w) then",
        "r.kc = nil\n  if r.g or dnc_or_rules or has_list(r.w) then",
        "frequency.a_key_rings_a_person_as_often_as_its_caps_say_whatever_its_calls_are",
    ),
    "whoever waits for a queue is rung without end": (
        "if #numbers > 1 then return",
        "if true then return",
        "frequency.a_key_rings_a_person_as_often_as_its_caps_say_whatever_its_calls_are",
    ),
    "a key's campaigns have no caps": (
        "if caps then fields[n + 1], fields[n + 2], n = 'kc', caps, n + 2 end",
        "",
        "frequency.a_key_rings_a_person_as_often_as_its_caps_say_whatever_its_calls_are",
    ),
    "a POST that rang nobody counts for a key": (
        "for _, rule in ipairs(r.kc and key_rules(took[2] or '', r.kc) or {}) do redis.call('LREM', rule[1], 1, at) end",
        "",
        "frequency.a_post_that_rang_nobody_gives_back_what_the_key_used",
    ),
    "a cap lets one more through": (
        "redis.call('LINDEX', key, most - 1)",
        "redis.call('LINDEX', key, most)",
        "frequency.a_single_call_over_the_cap_is_refused_with_its_reason",
    ),
    "calls are not written down for the cap": (
        "redis.call('LPUSH', key, ms)\n    redis.call('LTRIM', key, 0, most - 1",
        "redis.call('LTRIM', key, 0, most - 1",
        "frequency.every_role_counts_and_calls_of_campaigns_count_for_single_ones",
    ),
    "a POST that rang nobody is kept in the cap": (
        "redis.call('LREM', P .. 'freq:' .. n, 1, at)",
        "local _ = at",
        "frequency.several_caps_hold_together_and_giving_back_disturbs_none",
    ),
    "the longer of two caps is forgotten": (
        "redis.call('LTRIM', key, 0, most - 1 + MOST_REDIALS)",
        "redis.call('LTRIM', key, 0, 0)",
        "frequency.several_caps_hold_together_and_giving_back_disturbs_none",
    ),
    "a capped row is refused instead of waiting": (
        "if at and (r.g or code == 'window') then",
        "if at and code == 'window' then",
        "frequency.a_campaigns_row_waits_until_its_number_may_ring_again",
    ),
    # Calls and minutes of a day
    "a day has room for one too many": (
        "number(used[1]) + 1 > calls",
        "number(used[1]) > calls",
        "daily_caps.a_campaign_stops_at_its_calls_of_the_day_and_goes_on_tomorrow",
    ),
    "arm does not look at the day": (
        "if day_is_full(r.g, day, tomorrow, number(c[4]), number(c[5]), number(c[6])) then return { 'hold', 0, 0 } end",
        "",
        "daily_caps.calls_claimed_before_the_day_was_full_are_not_armed_beyond_it",
    ),
    "held minutes are never given back": (
        "use_day(scope, tonumber(day), 0, talk - tonumber(reserve), -1)",
        "use_day(scope, tonumber(day), 0, talk, -1)",
        "daily_caps.the_real_talk_replaces_what_was_held",
    ),
    "talk belongs to the day of its result": (
        "use_day(scope, tonumber(day), 0, talk - tonumber(reserve), -1)",
        "use_day(scope, (today()), 0, talk - tonumber(reserve), -1)",
        "daily_caps.talk_after_midnight_belongs_to_the_day_of_its_call",
    ),
    # Redials
    "the first delay is taken for ever": (
        "return delays[math.min(used, #delays)] * 1000",
        "return delays[1] * 1000",
        "redials.each_disposition_has_its_own_delays_and_the_last_one_repeats",
    ),
    "redials without end": (
        "local policy = cjson.decode(c[1])\n    if r.n >= policy.max_attempts then return nil end",
        "local policy = cjson.decode(c[1])",
        "redials.each_disposition_has_its_own_delays_and_the_last_one_repeats",
    ),
    "a redial goes to the end of the list": (
        "push_ready(r, r.g and 'LPUSH' or 'RPUSH')",
        "push_ready(r, 'RPUSH')",
        "redials.a_redial_goes_before_rows_that_were_never_dialled",
    ),
    "attempts of a day are not counted": (
        "if ms + delay < tomorrow and attempts_since(r, day) >= a_day then",
        "if false then",
        "redials.the_attempts_of_a_day_go_on_the_next_day_at_another_hour_inside_the_hours",
    ),
    "another hour falls past the close": (
        "return from + (target - from) % (to - from)",
        "return target",
        "redials.a_shift_past_the_close_comes_round_to_the_opening",
    ),
    "a redial is planned past the campaign's end": (
        "if not delay or c[3] and tonumber(c[3]) <= ms + delay then return nil end",
        "if not delay then return nil end",
        "redials.no_redial_is_planned_past_the_rows_end_or_the_campaigns",
    ),
    "who was canceled redials": (
        "if c[2] ~= 'running' and c[2] ~= 'paused' then return nil end",
        "",
        "redials.a_result_after_the_cancel_brings_no_redial",
    ),
    # Control
    "a pause lets calls out that were claimed": (
        "if c[1] ~= 'running' then return { 'hold', 0, 0 } end",
        "",
        "control.a_call_claimed_before_the_pause_is_not_rung_and_goes_first_afterwards",
    ),
    "a resumed campaign comes back without its calls": (
        "if not later and redis.call('EXISTS', P .. 'gq:' .. g) == 1 then join(g, c[2], c[3]) end",
        "",
        "runnable.a_resumed_campaign_goes_on_at_once",
    ),
    "who waits keeps his channel": (
        "free_channel(r)\n  redis.call('HDEL', P .. 'c:' .. r.x, 'tok')",
        "redis.call('HDEL', P .. 'c:' .. r.x, 'tok')",
        "frequency.two_claimed_calls_to_one_number_do_not_both_ring",
    ),
    "a campaign is over while a call is under way": (
        "elseif number(n[1]) == 0 and number(c[4]) <= ms",
        "elseif number(c[4]) <= ms",
        "control.a_campaign_is_over_with_its_last_result_and_not_before",
    ),
    # Submissions
    "a key makes a second campaign": (
        "if state == 'draft' then return nil end\n  return 'same', first",
        "return nil",
        "submissions.a_key_that_is_used_between_the_look_and_the_act_counts_too",
    ),
    "a key does not look at the request": (
        "if known ~= digest then return 'conflict', first end",
        "",
        "submissions.a_key_that_is_used_between_the_look_and_the_act_counts_too",
    ),
    "a key dies before its campaign": (
        "redis.call('PERSIST', name) end\nname_campaign",
        "end\nname_campaign",
        "submissions.a_key_lives_as_long_as_its_campaign",
    ),
    "a campaign that runs is dropped": (
        "if state and state ~= 'draft' then return { 'kept', state } end",
        "",
        "submissions.a_campaign_that_runs_cannot_be_dropped",
    ),
    "a rival's campaign is not found": (
        "if over == '1' and c[1] then return { 'same', before, 0 } end",
        "",
        "submissions.two_submissions_at_once_with_a_do_not_call_entry_between_make_one_campaign_that_stays",
    ),
    "a change does not see another": (
        "if redis.sha1hex(now[1]) ~= ARGV[5] then",
        "if false then",
        "submissions.changes_of_two_people_at_once_are_both_made",
    ),
    "added rows overwrite the counts": (
        "totals[name] = number(totals[name]) + count",
        "totals[name] = count",
        "submissions.rows_added_by_two_people_at_once_are_both_counted",
    ),
    "a list of no campaign takes numbers": (
        "if campaign and redis.call('EXISTS', P .. 'g:' .. g) == 0 then return { 'unknown', 0 } end",
        "if campaign then return { 'added', 0 } end",
        "submissions.clone_and_retry_carry_the_campaigns_own_list_along",
    ),
    # Outcomes of rows
    "how a row ended is forgotten": (
        "if letter then redis.call('SETRANGE', P .. 'out:' .. r.g, r.ri, letter) end",
        "",
        "outcomes.a_retry_rings_nobody_who_answered_though_the_records_have_expired",
    ),
    "a late result changes no outcome": (
        "if ENDS[to] then keep_outcome(r, note) end",
        "if ENDS[to] and not ENDS[from] then keep_outcome(r, note) end",
        "outcomes.a_late_result_changes_what_is_kept_of_a_row",
    ),
    "a late answer of a canceled row is forgotten": (
        "if r.g and disposition == 'answered' then keep_outcome(r, disposition) end",
        "",
        "outcomes.who_answered_before_the_cancel_is_not_rung_by_a_retry",
    ),
    "outcomes outlive their campaign": (
        "P .. 'out:' .. g, P .. 'names:' .. g",
        "P .. 'names:' .. g",
        "outcomes.outcomes_take_a_byte_a_row_and_go_with_their_campaign",
    ),
    # The end of a campaign
    "redials keep the old end": (
        "if not r.xr or not r.g then return true end",
        "if true then return true end",
        "ends.a_later_end_reaches_the_hopper_and_redials",
    ),
    "an end that has passed is moved": (
        "return { 'refused', 'ended' }",
        "break",
        "ends.an_end_that_has_passed_cannot_be_moved",
    ),
    "rows are added after the end": (
        "if adds and (c[5] or c[6] and number(c[6]) <= ms) then return { 'closed', 'ended' } end",
        "",
        "ends.rows_cannot_be_added_after_the_end",
    ),
    "a moved end forgets the row's own": (
        "local limit = own and last and math.min(own, last) or own or last",
        "local limit = last",
        "ends.a_rows_own_limit_stays_when_the_end_is_moved",
    ),
    # Calendars
    "an old calendar stays beside the new one": (
        "redis.call('DEL', calendar)",
        "",
        "calendars.a_holiday_that_is_new_in_the_settings_reaches_a_live_campaign",
    ),
    "rows that wait for their zone's hours keep the old ones": (
        "if c[10] then recall(g, c[10]) end",
        "",
        "calendars.rows_that_wait_for_their_zones_hours_learn_of_new_ones",
    ),
    "another zone's midnight begins a day at once": (
        "(not last or at >= last + 72000000)",
        "true",
        "calendars.another_time_zone_does_not_give_the_days_calls_twice",
    ),
    "whoever waits does not learn of new hours": (
        "if redis.call('HGET', key, 's') == 'running' then look_at(g, ms) end",
        "",
        "calendars.hours_that_open_earlier_wake_who_waits",
    ),
    "a draft's calendar stays for ever": (
        "for _, name in ipairs({ calendar, days, P .. 'zones:' .. g }) do",
        "for _, name in ipairs({}) do",
        "submissions.an_abandoned_draft_leaves_nothing_behind",
    ),
    "a draft starts with further rows of another reading": (
        "if number(c[4]) ~= number(cjson.decode(totals).good) then",
        "if false then",
        "submissions.further_rows_of_another_reading_that_come_right_before_the_start_are_not_called_in_this_one",
    ),
    # Caps
    "a redial is held back by its own call": (
        "local from, mine = 0, earlier_starts(x, attempt)",
        "local from, mine = 0, nil",
        "frequency.a_campaigns_redial_goes_out_at_its_own_delay",
    ),
    "a redial obeys no cap": (
        "if count == 0 then return at end",
        "",
        "frequency.a_redial_obeys_the_cap_for_what_other_calls_rang",
    ),
    "redials push out what others rang": (
        "0, most - 1 + MOST_REDIALS)",
        "0, most - 1)",
        "frequency.a_redial_obeys_the_cap_for_what_other_calls_rang",
    ),
    "a repeated POST is not counted": (
        "spend_again(r, 4)",
        "",
        "frequency.a_post_that_a_failover_forgot_counts_again_once_its_worker_repeats_it",
    ),
    "a forgotten POST that is settled is not counted": (
        "spend_again(r, 6)",
        "",
        "frequency.a_post_that_a_failover_forgot_counts_again_once_its_worker_repeats_it",
    ),
    "an impossible talk counts": (
        "return math.min(talk, math.ceil(life) + SLACK)",
        "return talk",
        "daily_caps.a_result_with_an_impossible_time_does_not_use_up_the_day",
    ),
    "a result that waited in the inbox talked meanwhile": (
        "if arrived <= 0 or arrived > ms then arrived = ms end",
        "arrived = ms",
        "daily_caps.a_result_that_waited_counts_by_its_arrival",
    ),
    # A clock that goes back
    "a pace stays as far ahead as the clock went back": (
        "if flow.tat > furthest then",
        "if false then",
        "clock.a_pace_holds_nothing_for_an_hour_when_the_clock_goes_back_an_hour",
    ),
    "a share of channels is taken for as long as the clock went back": (
        "shift(P .. 'gchan:' .. g, step)",
        "",
        "clock.a_share_of_channels_is_free_after_its_own_time_when_the_clock_goes_back",
    ),
    "a hopper is filled when the clock comes round again": (
        "redis.call('ZADD', HUNGRY, 'LT', int(ms), g)",
        "redis.call('ZADD', HUNGRY, 'NX', int(ms), g)",
        "clock.a_hopper_that_ran_low_is_filled_when_the_clock_goes_back",
    ),
    "a slot comes when the clock comes round again": (
        "redis.call('DEL', P .. 'bell:inbox:', P .. 'drain', P .. 'patrol')",
        "redis.call('DEL', P .. 'bell:inbox:', P .. 'drain')",
        "clock.whoever_waited_for_a_slot_goes_on_when_the_clock_goes_back",
    ),
    "a clock that goes back goes through every campaign": (
        "clamp_shares(LEASE, step, done)",
        "for _, g in ipairs(redis.call('SMEMBERS', LIVE)) do shift(P .. 'gchan:' .. g, step) end",
        "clock.a_clock_that_goes_back_costs_the_same_however_many_campaigns_there_are",
    ),
    # Limits of API keys
    "rows count for no day": (
        "count_today(used, rows)",
        "",
        "quotas.rows_count_for_the_calls_of_a_day_and_the_others_wait_for_tomorrow",
    ),
    "a day that is used up is tried again and again": (
        "look_at(g, more)\n    end\n    return { 'room'",
        "look_at(g, ms)\n    end\n    return { 'room'",
        "quotas.rows_count_for_the_calls_of_a_day_and_the_others_wait_for_tomorrow",
    ),
    "keys of one call take no room": (
        "'NX') and q then hold_for_a_while(q, NAME_BYTES) end",
        "'NX') and false then end",
        "quotas.idempotency_keys_of_one_call_take_bytes_and_end_with_them",
    ),
    "a copied list takes no room": (
        "if q then hold_rows(q, g, 0, bytes) end",
        "",
        "quotas.copies_of_a_do_not_call_list_take_bytes",
    ),
    "a flood of one key is ready at once": (
        "if at > ms then state, not_before = 'scheduled', int(at) end",
        "",
        "quotas.a_flood_of_one_key_keeps_no_other_waiting",
    ),
    "calls for one moment are ready at once": (
        "elseif not (r.pg and waits_for_turn(r)) and not",
        "elseif not",
        "quotas.calls_of_a_key_for_one_moment_come_one_after_another",
    ),
    "a call waits for its turn again and again": (
        "redis.call('HDEL', P .. 'c:' .. r.x, 'pg')",
        "",
        "quotas.calls_of_a_key_for_one_moment_come_one_after_another",
    ),
    "rows have no rate": (
        "if turns < allowed then allowed, more",
        "if false then allowed, more",
        "quotas.rows_and_calls_of_a_key_share_its_rate",
    ),
    "rows leave calls their rate": (
        "redis.call('SET', turn, int(at), 'PX', int((at - us) / 1000 + 60000))\n  end\nend",
        "end\nend",
        "quotas.rows_and_calls_of_a_key_share_its_rate",
    ),
    "a call that ended waits for ever": (
        "redis.call('HINCRBY', P .. 'held:' .. name, 'c', -1)",
        "",
        "quotas.so_many_calls_and_rows_of_a_key_may_wait",
    ),
    "rows of a campaign that ended wait for ever": (
        "if c[5] then release_rows(c[5], g) end",
        "",
        "quotas.so_many_calls_and_rows_of_a_key_may_wait",
    ),
    "a dropped draft takes room for ever": (
        "if quota then release_rows(quota, g, true) end",
        "",
        "quotas.so_many_calls_and_rows_of_a_key_may_wait",
    ),
    "bytes of records that are gone count for ever": (
        "if day and day < oldest then",
        "if false then",
        "quotas.bytes_of_a_key_count_until_its_records_are_gone",
    ),
    "bytes of ended calls do not count": (
        "redis.call('HINCRBY', P .. 'held:' .. name, 'e' .. math.floor(ms / 86400000), bytes)",
        "redis.call('HINCRBY', P .. 'held:' .. name, 'b', -bytes)",
        "quotas.bytes_of_a_key_count_until_its_records_are_gone",
    ),
    "bytes of campaigns that are gone count for ever": (
        "if redis.call('EXISTS', P .. 'g:' .. g) == 0 then release_rows(q.name, g, true) end",
        "",
        "quotas.bytes_of_a_campaign_count_until_it_is_gone",
    ),
    "redials of a key count for no day": (
        "and not (r.n > 1 and redial_waits(r)) then",
        "then",
        "quotas.redials_count_for_the_calls_of_a_day_and_the_others_wait_for_tomorrow",
    ),
    "a redial counts each time that it is looked at": (
        "if r.rq == int(r.n) then return false end",
        "",
        "quotas.a_redial_waits_for_its_keys_turn_once",
    ),
    "a campaign keeps the limits that its key had": (
        "if not now then return quota, caps end",
        "if true then return quota, caps end",
        "quotas.a_limit_that_is_lowered_binds_campaigns_that_run",
    ),
    "a tenant has its turn again at once": (
        "if has_more then redis.call('RPUSH',",
        "if has_more then redis.call('LPUSH',",
        "quotas.calls_of_tenants_go_in_turns_however_many_of_them_wait",
    ),
    "nothing goes between the calls of tenants": (
        "if have_turns[p] and not after[p] then",
        "if have_turns[p] then",
        "quotas.calls_of_tenants_go_in_turns_however_many_of_them_wait",
    ),
    "a tenant has a share for each of its campaigns": (
        "local fair, field = fair_of(a, p, c[3]), 'v' .. p",
        "local fair, field = fair_of(a, p), 'v' .. p",
        "shares.campaigns_of_tenants_share_by_tenant_and_inside_of_one_by_weight",
    ),
    "campaigns of a tenant save up a share": (
        "if group.reached then redis.call('HSET', acct, group.field, score(group.reached)) end",
        "",
        "shares.a_campaign_that_its_channels_held_back_saves_up_no_share",
    ),
    "a tenant has a turn for each of its campaigns": (
        "if not redis.call('LPOS', turns, owner) then",
        "if true then",
        "shares.a_paused_campaign_of_a_tenant_leaves_the_turns_and_its_copy_is_the_tenants",
    ),
    "a campaign that comes back brings its tenant no turn": (
        "into_turns(a .. ':' .. p, c[3], 'RPUSH')",
        "",
        "shares.a_tenant_whose_campaign_waits_for_its_pace_or_channels_comes_back_to_its_turn",
    ),
    "a slot that has come waits for the installation's calls": (
        "if redis.call('EXISTS', turns, paced) == 0 then return end",
        "if redis.call('EXISTS', turns) == 0 then return end",
        "shares.a_tenant_whose_campaign_waits_for_its_pace_or_channels_comes_back_to_its_turn",
    ),
    "a tenant's calls go beside its more urgent ones": (
        "if not busy[owner] then",
        "if true then",
        "shares.no_priority_of_a_tenant_keeps_others_waiting",
    ),
    "rows are filled in twice": (
        "if c[1] ~= 'running' or number(c[2]) ~= from or c[6] then return { 'stale' } end",
        "if c[1] ~= 'running' or c[6] then return { 'stale' } end",
        "fills.a_chunk_that_two_fillers_bring_is_called_once",
    ),
}


FOUND = (AssertionError, pytest.fail.Exception, ValueError, TypeError)
"""The second: nothing was refused. The last two: a test took the one thing apart that it expected, and there was none."""


def planting(name: str) -> Callable[[ClockedStore], None]:
    old, new, _ = PLANTED[name]

    def plant(store: ClockedStore) -> None:
        # A function that what comes after a script's own work needs too may stand in it twice (script_parts.py).
        hosts = [script for script, kept in store._scripts.items() if places(kept, old) in (1, 2)]
        assert hosts, f"the place of {name!r} has changed"
        for script in hosts:
            store._scripts[script] = changed(store._scripts[script], old, new)

    return plant


def look_for(name: str, redis_server: EmbeddedRedis) -> None:
    """Runs the test that looks for this bug, with each of its parameters."""
    module, _, test = PLANTED[name][2].partition(".")
    function = getattr(importlib.import_module(f"test_store_{module}"), f"test_{test}")
    cases: list[dict[str, object]] = [{}]
    for mark in getattr(function, "pytestmark", []):
        if mark.name == "parametrize":
            names = (
                mark.args[0] if isinstance(mark.args[0], (tuple, list)) else mark.args[0].replace(" ", "").split(",")
            )
            rows = [row if len(names) > 1 else (row,) for row in mark.args[1]]
            cases = [case | dict(zip(names, row, strict=True)) for case in cases for row in rows]
    assert set(inspect.signature(function).parameters) == {"redis_server", *cases[0]}
    for case in cases:
        function(redis_server=redis_server, **case)


@pytest.mark.search
@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found(redis_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(Harness, "__init__", partialmethod(Harness.__init__, plant=planting(name)))
    with pytest.raises(FOUND) as found:
        look_for(name, redis_server)
    assert "has changed" not in str(found.value)
