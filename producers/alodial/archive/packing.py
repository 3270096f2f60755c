"""Packs records and events, which are JSON and alike in most of what they say: deflate that begins with a dictionary of it."""

import re
import zlib
from typing import Final

PACKED: Final = b"\x01"
"""The first byte of a packed text, for the dictionary with which it was packed."""

_SUBJECT: Final = "\x01"
"""Stands in a packed event for the id of its call or campaign; no JSON holds it."""

_WINDOW: Final = -12
_LEVEL: Final = 3
_MEMORY: Final = 5

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

# What was packed with it is read with it: another dictionary needs another first byte. What is most common stands last.
_DICTIONARY: Final = (
    b'"rejected","failed","unconfirmed","expired","cancelled","no_answer","not_answered","unreachable","alodial.campai'
    b'gn.{"specversion":"1.0","id":"-4-h","owner":"shop","source":"/alodial","type":"alodial.call.submitting","subject'
    b'":""redial":{"attempts":3,"waits":[],"on":["busy","no_answer"]},"of":"tc1":"x2":"rt":"u":"w":"m":"{\\"name\\":\\"\\"'
    b'dialstatus\\": \\"NOANSWER\\", \\"CANCEL\\", \\"BUSY\\"],"ivr":{"queue":{"extension":"menu":"{\\"outcome\\":\\"taken\\"'
    b',\\"code\\":\\"\\",{"extid":"1","s":"completed","id":"01a","b":"{\\"callfrom\\":{\\"phone\\":\\"+99871\\"},\\"callto\\"'
    b':[{\\"phone\\":\\"+9989\\"},{\\"phone\\":\\"+9989\\"}]}","tl":"queued 1795;submitting 1795 worker-1;submitted 1795;comp'
    b'leted 1795 busy","v":"4","r":"order-","g":"c","p":"b","ri":"1","n":"1","a":"default","a1":"1795 vm:","o1":"{\\"ou'
    b'tcome\\": \\"taken\\", \\"code\\": \\"\\", \\"ms\\": 12, \\"status\\": 200, \\"body\\": \\"\\"}","r1":"{\\"call_ids\\":'
    b'[17],\\"from_numbers\\":[\\"71\\"],\\"to_numbers\\":[\\"+9989\\"],\\"trunk_number\\":\\"71\\",\\"begin_time\\":\\"2026-'
    b'11-T:Z\\",\\"answer_time\\":\\"2026-11-T:Z\\",\\"end_time\\":\\"2026-11-T:Z\\",\\"duration\\":30,\\"dialstatus\\":\\"AN'
    b'SWER\\",\\"record\\":\\"https://records/2026/11/.wav\\",\\"attempts\\":[]}","d1":"answered","dp":"answered","h1":"},"re'
    b'sult":{"call_ids": [17], "from_numbers": ["71"], "to_numbers": ["9"], "trunk_number": "71", "begin_time": "2026-'
    b'11-T:Z", "answer_time": "2026-11-T:Z", "end_time": "2026-11-T:Z", "duration": 30, "dialstatus": "ANSWER", "recor'
    b'd": "https://records/.mp3", "attempts": []}}}","result":{"call_ids":[17],"from_numbers":["71"],"to_numbers":["99'
    b'89"],"trunk_number":"71","begin_time":"2026-11-T:Z","answer_time":"2026-11-T:Z","end_time":"2026-11-T:Z","durati'
    b'on":30,"dialstatus":"ANSWER","record":"https://records/2026/11/.mp3","attempts":[]}}}\n{"specversion":"1.0","id":'
    b'"\x01-4-h","source":"/alodial","type":"alodial.call.completed","subject":"\x01","time":"2026-11-T.0Z","datacontenttype'
    b'":"application/json","data":{"call_id":"\x01","extid":"1","reference":"order-","campaign_id":"c","state":"completed'
    b'","disposition":"answered","attempt":1,"metadata":{"name":""}}}{"specversion":"1.0","id":"\x01-2-h","source":"/alod'
    b'ial","type":"alodial.call.submitted","subject":"\x01","time":"2026-11-T.0Z","datacontenttype":"application/json","d'
    b'ata":{"call_id":"\x01","extid":"1","reference":null,"campaign_id":null,"state":"submitted","disposition":null,"atte'
    b'mpt":1,"metadata":{}}}{"specversion":"1.0","id":"\x01-1","source":"/alodial","type":"alodial.call.queued","subject"'
    b':"\x01","time":"2026-11-T.0Z","datacontenttype":"application/json","data":{"call_id":"\x01","extid":"1","reference":nu'
    b'll,"campaign_id":null,"state":"queued","disposition":null,"attempt":1,"metadata":{}}}'
)


_DEFLATE: Final = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY, zlib.Z_DEFAULT_STRATEGY, _DICTIONARY)
"""Nothing is packed by it but by its copies, which need not read the dictionary again."""


def packed(text: str) -> bytes:
    """A text of JSON as the archive keeps it."""
    deflate = _DEFLATE.copy()
    return PACKED + deflate.compress(text.encode()) + deflate.flush()


def unpacked(data: bytes) -> str:
    """The text of :func:`packed`. Raises ValueError for one that is damaged."""
    if not data.startswith(PACKED):
        raise ValueError("the archive holds a text that this version cannot read")
    inflate = zlib.decompressobj(_WINDOW, _DICTIONARY)
    try:
        text = inflate.decompress(data[1:]).decode()
    except (zlib.error, UnicodeDecodeError):
        raise ValueError("the archive holds a text that is damaged") from None
    if not inflate.eof:
        raise ValueError("the archive holds a text that is cut short and damaged")
    return text


def subject_key(subject: str) -> bytes:
    """The id of a call as its 16 bytes; another text after a zero, with which no id of this century begins."""
    if _UUID.fullmatch(subject) and not subject.startswith("00"):
        return bytes.fromhex(subject.replace("-", ""))
    return b"\0" + subject.encode()


def subject_of(key: bytes) -> str:
    """The text of :func:`subject_key`."""
    if key.startswith(b"\0"):
        return key[1:].decode()
    digits = key.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def packed_event(event: str, subject: str) -> bytes:
    """An event of this call or campaign, without the repeated id."""
    return packed(event.replace(subject, _SUBJECT) if subject else event)


def unpacked_event(body: bytes, subject: bytes) -> str:
    """The very text of :func:`packed_event`; ``subject`` is the key beside it."""
    return unpacked(body).replace(_SUBJECT, subject_of(subject))
