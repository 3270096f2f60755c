"""Names that people give their columns, in English, Russian and Uzbek (both alphabets): lower case, without marks."""

from typing import Final

PHONE: Final = (
    "phone", "phone number", "phonenumber", "phone no", "phones", "mobile", "mobile phone", "mobile number", "msisdn", "tel",
    "telephone", "telephone number", "tel no", "tel number", "contact phone", "contact number", "cell", "cell phone",
    "customer phone", "client phone", "callto", "recipient", "recipients", "recipient phone",
    "телефон", "номер телефона", "телефонный номер", "тел", "тел номер", "номер тел", "моб", "моб тел", "моб телефон",
    "мобильный", "мобильный телефон", "мобильный номер", "телефоны", "контактный телефон", "контактный номер", "сотовый",
    "сотовый телефон", "телефон клиента", "номер клиента", "телефон абонента", "номер абонента", "телефон получателя",
    "получатель", "получатели",
    "telefon", "telefoni", "telefon raqam", "telefon raqami", "telefon raqamlari", "telefon nomer", "telefon nomeri", "mobil",
    "mobil telefon", "mobil raqam", "tel raqam", "tel raqami", "aloqa raqami", "aloqa telefoni", "mijoz telefoni",
    "mijoz raqami", "abonent raqami", "qabul qiluvchi",
    "телефони", "телефон рақам", "телефон рақами", "мобил телефон", "алоқа рақами", "тел рақами", "мижоз телефони",
    "мижоз рақами", "абонент рақами", "қабул қилувчи",
)  # fmt: skip

POSSIBLE_PHONE: Final = (
    "number", "numbers", "to", "contact", "contacts", "номер", "номера", "контакт", "контакты", "кому", "абонент",
    "raqam", "raqami", "nomer", "abonent", "kontakt", "kimga", "рақам", "рақами", "кимга",
)  # fmt: skip
"""A phone only where no other column is: beside a phone, "номер" is the row's number and "контакт" a person's name."""

LANG: Final = (
    "lang", "language", "locale", "язык", "язык общения", "til", "tili", "muloqot tili", "тил", "тили", "мулоқот тили",
)  # fmt: skip

INITIATOR: Final = (
    "initiator", "initiator phone", "callfrom", "from", "agent phone", "agent number", "operator phone", "operator number",
    "manager phone", "инициатор", "телефон инициатора", "от кого", "телефон оператора", "номер оператора", "телефон агента",
    "телефон менеджера", "номер менеджера", "tashabbuskor", "operator telefoni", "operator raqami", "agent telefoni",
    "menejer telefoni", "kimdan", "ташаббускор", "оператор телефони", "оператор рақами", "кимдан",
)  # fmt: skip

QUEUE: Final = ("queue", "pbx queue", "очередь", "номер очереди", "navbat", "navbat raqami", "навбат", "навбат рақами")

REFERENCE: Final = (
    "reference", "ref", "референс", "external id", "внешний id", "invoice number", "invoice no", "invoice", "order number",
    "order no", "order id", "order", "contract number", "contract no", "contract", "client id", "customer id", "id",
    "номер счета", "счет", "номер заказа", "заказ", "номер договора", "договор", "лицевой счет", "код клиента", "id клиента",
    "ид клиента", "ид", "hisob raqami", "hisob faktura", "buyurtma raqami", "buyurtma", "shartnoma raqami", "shartnoma",
    "mijoz id", "mijoz kodi", "ҳисоб рақами", "буюртма рақами", "буюртма", "шартнома рақами", "шартнома", "мижоз коди",
)  # fmt: skip
"""Best first: of several that a file has, the first in this list is the reference."""

EXPIRES: Final = (
    "expires at", "expires", "expiry", "expiry date", "valid until", "call before", "годен до", "действует до",
    "действителен до", "позвонить до", "срок действия", "истекает", "amal qilish muddati", "muddati", "амал қилиш муддати",
    "муддати",
)  # fmt: skip

FIELDS: Final = {
    "phone": PHONE,
    "lang": LANG,
    "initiator": INITIATOR,
    "queue": QUEUE,
    "reference": REFERENCE,
    "expires_at": EXPIRES,
}
"""The fields and the names that mean them. A number after a phone's name ("phone 2", "телефон 2") is a further recipient."""

METADATA: Final = ("metadata:", "meta:")
"""A column with this prefix goes into the call's metadata, under the rest of its name."""
