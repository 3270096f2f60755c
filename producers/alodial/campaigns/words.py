"""How people name the columns of their lists, in English, Russian and Uzbek (both alphabets). Lower case, without marks."""

from typing import Final

PHONE: Final = (
    "phone", "phone number", "phones", "number", "mobile", "mobile phone", "msisdn", "tel", "telephone", "contact",
    "contact number", "cell", "cell phone", "to", "callto", "recipient", "recipients",
    "телефон", "номер телефона", "номер", "тел", "мобильный", "мобильный телефон", "мобильный номер", "телефоны",
    "контактный телефон", "контакт", "сотовый", "получатель", "кому", "абонент",
    "telefon", "telefon raqam", "telefon raqami", "raqam", "raqami", "mobil", "mobil telefon", "tel raqam", "tel raqami",
    "aloqa raqami", "abonent", "qabul qiluvchi",
    "телефон рақам", "телефон рақами", "рақам", "рақами", "алоқа рақами", "тел рақами",
)  # fmt: skip

LANG: Final = (
    "lang", "language", "locale", "язык", "til", "tili", "тил", "тили", "muloqot tili", "язык общения",
)  # fmt: skip

INITIATOR: Final = (
    "initiator", "callfrom", "from", "agent", "agent phone", "operator", "manager phone", "инициатор", "от кого", "оператор",
    "телефон оператора", "агент", "телефон агента", "телефон менеджера", "operator telefoni", "operator raqami", "agent telefoni",
    "tashabbuskor", "ташаббускор", "оператор рақами",
)  # fmt: skip

QUEUE: Final = ("queue", "pbx queue", "очередь", "номер очереди", "navbat", "навбат", "navbat raqami")

REFERENCE: Final = (
    "reference", "ref", "id", "external id", "order", "order id", "order number", "invoice", "invoice number", "contract",
    "contract number", "client id", "customer id", "референс", "ид", "номер заказа", "заказ", "договор", "номер договора",
    "счет", "номер счета", "код клиента", "id клиента", "buyurtma", "buyurtma raqami", "shartnoma", "shartnoma raqami",
    "hisob raqami", "mijoz id", "буюртма", "буюртма рақами", "шартнома", "шартнома рақами",
)  # fmt: skip

EXPIRES: Final = (
    "expires_at", "expires at", "expires", "valid until", "until", "deadline", "срок", "действует до", "до", "истекает",
    "годен до", "muddati", "amal qilish muddati", "gacha", "муддати", "гача",
)  # fmt: skip

FIELDS: Final = {
    "phone": PHONE,
    "lang": LANG,
    "initiator": INITIATOR,
    "queue": QUEUE,
    "reference": REFERENCE,
    "expires_at": EXPIRES,
}
"""Our fields and the names that mean them. A number behind a phone's name ("phone 2", "телефон 2") is a further recipient."""

METADATA: Final = ("metadata:", "meta:")
"""A column of this beginning goes into the call's metadata under the rest of its name."""
