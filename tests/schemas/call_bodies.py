"""Generates canonical request bodies: what `request_body` returns for any valid call."""

from hypothesis import strategies as st

phones = st.integers(2 * 10**8, 10**9 - 1).map(lambda n: f"+998{n}")
langs = st.none() | st.from_regex("[A-Za-z-]{2,8}", fullmatch=True)
people = st.builds(lambda phone, lang: {"phone": phone, "lang": lang} if lang else {"phone": phone}, phones, langs)
queues = st.builds(lambda queue: {"queue": queue}, st.from_regex("[0-9A-Za-z_.-]{1,32}", fullmatch=True))
two_way_bodies = st.fixed_dictionaries(
    {"callfrom": people, "callto": st.lists(people | queues, min_size=1, max_size=20)}
)
ivr_bodies = st.fixed_dictionaries({"callto": phones, "ivrid": st.integers(1, 2**31 - 1), "fromline": phones})
bodies = two_way_bodies | ivr_bodies
