"""The words that people put into headings, in English, Russian and Uzbek (both alphabets), as parts with a meaning.

A heading is split into words; each word adds what it stands for. "Номер сот. тел. клиента" is a number, twice a phone, and a
client, so it is a phone. "Тип телефона" is an attribute of a phone, so it is none. A longer list of headings would never end.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final, NamedTuple

MAX_NAME: Final = 200
MAX_NUMBER: Final = 20
MAX_NAME_WORDS: Final = 5
PERSON_ALONE: Final = 3
"""The rank of a heading such as "Клиент", which names people where no other does."""

CERTAIN: Final = 2
"""The certainty of a meaning that nobody needs to be asked about."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PHONE: Final = _words(
    "tel telno telnumber mob cell cellular cellphone cellno msisdn callto mobile mobileno mobil mobilniy sotoviy sotovyy "
    "uyali тел телеф тлф моб мобил мобильник сот сотка мобилка уяли phoneno telnomer telraqam nomertel"
)
PHONE_STEMS: Final = ("phone", "telefon", "telephone", "телефон", "мобильн", "сотов", "mobilnomer", "mobilraqam")
NOT_PHONE: Final = _words(
    "iphone smartphone headphone headphones microphone phonetic phonetics телефония телефонист телефонистка смартфон"
)
NUMBER: Final = _words(
    "номер номера номеру number numbers num no nr nomer nomeri nomerlari raqam raqami raqamlari raqamingiz рақам рақами "
    "рақамлари номери номерлари # №"
)
PERSON: Final = _words(
    "клиент клиента клиентов клиенты абонент абонента абоненты покупатель покупателя заказчик заказчика получатель "
    "получателя получатели получателей должник должника заемщик заемщика пациент пациента гость гостя customer customers "
    "client clients buyer recipient recipients subscriber patient guest debtor borrower user mijoz mijozning mijozlar "
    "mijozi abonent xaridor qarzdor bemor мижоз мижознинг мижозлар харидор қарздор бемор контрагент контрагента плательщик "
    "плательщика ученик ученика студент студента участник участника подписчик заявитель заявителя гражданин гражданина "
    "физлица юрлица лица лид лида lead qabul qiluvchi қабул қилувчи oluvchi олувчи fuqaro фуқаро"
)
CONTACT: Final = _words(
    "контакт контакты контактный контактные контактная контактное контактного contact contacts kontakt kontakti kontaktlar "
    "aloqa aloqaga алоқа bog'lanish боғланиш связи связь murojaat мурожаат callback обратный"
)
ADDRESSEE: Final = _words("to кому kimga кимга whom")
NEUTRAL: Final = _words(
    "рабочий рабочие домашний дом личный основной главный городской стационарный прямой действующий актуальный текущий work "
    "business home personal private main primary current default landline direct day daytime evening first value ish ishchi "
    "uy uyi shaxsiy asosiy shahar иш уй шахсий асосий шаҳар для с в и или за по на the of for and or your my ваш ваши мой "
    "его her his uchun va yoki учун ва ёки bilan физ юр формат format e164 uz uzb узб uzbekistan узбекистан 998 full полный "
    "обязательно required имя sms смс"
)
OTHER_PERSON: Final = _words(
    "менеджер менеджера менеджеру оператор оператора агент агента куратор куратора сотрудник сотрудника продавец продавца "
    "курьер курьера водитель водителя родственник родственника родственников родителя родителей родители супруг супруга "
    "супруги муж мужа жена жены мать матери мама мамы отец отца папа папы брат брата сестра сестры друг друга сын дочь "
    "поручитель поручителя гарант гаранта созаемщик созаемщика третьего третьих экстренный экстренной экстренных "
    "ответственный ответственного директор директора руководитель руководителя бухгалтер бухгалтера исполнитель исполнителя "
    "риелтор врач врача мастер мастера учитель офис офиса филиал филиала магазин магазина отдел отдела склад склада "
    "поставщик поставщика отправитель отправителя manager managers operator agent agents staff employee seller courier "
    "driver relative spouse husband wife mother father parent parents guarantor emergency assistant office branch store "
    "shop supervisor doctor teacher sender owner responsible sales rep menejer menejeri menejerining agenti operatori xodim "
    "xodimi kafil qarindosh qarindoshi ota ona onasi otasi turmush o'rtogi haydovchi kuryer sotuvchi filial filiali ofis "
    "do'kon mas'ul rahbar direktor менежер ходим кафил қариндош ота она онаси отаси ҳайдовчи сотувчи дўкон масъул раҳбар "
    "eri xotini rafiqasi akasi ukasi opasi singlisi o'g'li qizi bobosi buvisi tog'asi amakisi xolasi "
    "do'sti qo'shni qo'shnisi vakili "
    "эри хотини рафиқаси акаси укаси опаси синглиси ўғли қизи бобоси бувиси дўсти қўшни қўшниси вакили "
    "дедушки дедушка бабушки бабушка тети тетя дяди дядя сына дочери соседа соседки сосед соседка знакомого знакомый "
    "опекуна опекун представителя представитель помощника помощник секретаря секретарь коллеги коллега начальника "
    "brother sister son daughter friend neighbor neighbour partner colleague guardian representative secretary boss "
    "деда бабки тестя няни няня снохи кума кумы крестного крестной мамин папин мамина папина зам гид гида отв менедж мен "
    "опер рук дир бух секр такси коллег друзей наш наша наше наши детей родни "
    "банка банку школы больницы техника кадров центра службы родных горячей доверия "
    "specialist hospital school nok law co ice hq "
    "hr kid kids child children kin mum mom dad uncle aunt niece nephew ex coach admin host nurse taxi our caller "
    "tog'a buvi buva xola amma usta ustasi kelin kelini kuyov kuyovi er xotin bola bolasi o'g'il qiz aka uka opa singil "
    "jiyan jiyani bizning тоға буви бува хола амма уста устаси келин куёв эр хотин бола боласи ўғил қиз ака ука опа "
    "сингил жиян бизнинг"
)
OTHER_PERSON_STEMS: Final = (
    "менеджер", "оператор", "агент", "куратор", "сотрудник", "продав", "курьер", "водител", "родствен", "родител", "супруг",
    "поручител", "гарант", "созаемщ", "экстрен", "ответств", "директор", "руководител", "бухгалтер", "исполнител", "филиал",
    "магазин", "поставщик", "отправител", "manager", "guarantor", "relative", "emergency", "menejer", "operator", "agent",
    "kafil", "qarindosh", "xodim", "haydovchi", "sotuvchi", "кафил", "қариндош", "ходим", "ҳайдовчи",
    "внук", "внуч", "племян", "тещ", "свекр", "зят", "невест", "бабуш", "дедуш", "ребенк", "близк", "знаком", "сосед",
    "председател", "старост", "прораб", "нотариус", "адвокат", "юрист", "инспектор", "коллектор", "участков", "кассир",
    "диспетчер", "консультант", "специалист", "монтажник", "установщик", "замерщик", "риэлтор", "риелтор", "брокер",
    "дилер", "дистриб", "партнер", "арендодател", "работодател", "тренер", "воспитател", "учител", "преподавател",
    "педагог", "доктор", "медсестр", "стоматолог", "администратор", "админ", "модератор", "рекрутер", "приемн",
    "управляющ", "заведующ", "начальник", "заместител", "главбух", "контролер", "супервайзер", "мерчандайзер", "логист",
    "экспедитор", "перевозчик", "грузчик", "кладовщик", "подрядчик", "застройщик", "поддержк", "охран", "дежурн",
    "производител", "доверенн", "рекоменд", "пригласивш", "лидер", "сервис",
    "наставник", "бригадир", "командир", "представител", "помощник", "секретар",
    "employer", "landlord", "lawyer", "attorney", "notary", "inspector", "collector", "cashier", "dispatcher",
    "consultant", "technician", "installer", "realtor", "broker", "dealer", "support", "hotline", "helpdesk", "security",
    "carrier", "administrator", "recruiter", "reception", "dentist", "contractor", "deputy", "accountant", "distributor",
    "referr", "referee", "mentor", "supplier", "vendor", "manufacturer", "sponsor", "witness", "cosigner", "coborrower",
    "grand", "cousin", "fiance", "interviewer", "representative",
    "mudir", "ustoz", "o'qituvchi", "shifokor", "advokat", "hamkor", "qayn", "vasiy", "boshli", "rahbar", "direktor",
    "buxgalter", "hisobchi", "kassir", "yuboruvchi", "tarbiyachi", "dispetcher", "yaqin", "farzand", "vositachi",
    "ma'sul", "mas'ul", "maktab", "markaz", "beruvchi", "shifoxona", "bog'cha", "quvvatlash",
    "nevara", "nabira", "qo'shni", "do'st", "tanish", "hamkasb",
    "мудир", "устоз", "ўқитувчи", "шифокор", "ҳамкор", "қайн", "васий", "бошли", "раҳбар", "ҳисобчи", "юборувчи",
    "тарбиячи", "яқин", "фарзанд", "воситачи", "маъсул", "масъул", "невара", "набира", "қўшни", "дўст", "таниш", "ҳамкасб",
)  # fmt: skip
PERSON_STEMS: Final = (
    "клиент", "абонент", "покупател", "получател", "заказчик", "должник", "заемщик", "пациент", "плательщик", "контакт",
    "customer", "client", "mijoz", "abonent", "xaridor", "мижоз",
)  # fmt: skip
FURTHER: Final = _words(
    "доп дополнительный дополнительные другой другие запасной резервный второй второго альтернативный иной прочие other "
    "alternate alternative alt additional secondary second backup extra another spare qo'shimcha boshqa ikkinchi zaxira "
    "қўшимча бошқа иккинчи захира"
)
UNFIT: Final = _words(
    "старый старые прежний бывший бывшей бывшего неверный неправильный ошибочный недействующий недействительный неактуальный "
    "неактивный нерабочий неработающий заблокирован заблокированный отключен отключенный отказ стоп чс "
    "old former previous wrong invalid inactive incorrect blocked disconnected blacklist stop don't dont dnc never "
    "eski noto'g'ri ishlamaydi ishlamaydigan eskirgan bloklangan эски нотўғри ишламайди ишламайдиган эскирган"
)
"""Words of a heading above phones that are not to be rung."""

_NEGATIONS: Final = frozenset({"не", "not"})
_NEEDED: Final = ("обязател", "обязат", "required", "necessary", "mandatory")
"""What a phone may lack without being a wrong one: "не обязательно" is in many forms."""

ATTRIBUTE: Final = _words(
    "тип типа вид модель модели марка бренд цена стоимость сумма дата даты время код статус состояние комментарий коммент "
    "примечание imei серийный кол количество колво наличие есть нет проверен подтвержден подтверждение верификация "
    "добавочный внутренний факс счет счета баланс оплата оплаты звонок звонка звонков звонки страна регион тариф владелец "
    "адрес список база реестр книга договор договора заказ заказа паспорт паспорта карта карты инн стир пинфл полис полиса "
    "накладная накладной документ документа машина машины авто гос госномер квартира дом очередь очереди строка строки п пп "
    "столбец таблица отчет fax label type kind model brand price cost date time status code note notes comment verified "
    "valid count ext extension quantity has is country region plan tariff name list order invoice contract account passport "
    "card id sku row line item ticket case queue room seat flat apartment plate vin tin serial tracking pager telex tty tdd "
    "radio isdn ip version turi modeli narxi sanasi sana vaqti holati kodi izoh ichki faks shartnoma buyurtma hisob karta "
    "pasport navbat tartib тури модели нархи санаси сана вақти ҳолати коди изоҳ ички шартнома буюртма ҳисоб паспорт навбат "
    "тартиб жшшир inn stir jshshir pinfl мфо mfo окпо okpo bank банк"
)
MESSENGER: Final = _words("whatsapp ватсап вацап вотсап telegram телеграм телеграмм viber вайбер imo skype скайп")

KNOWN_OTHER: Final = _words(
    "фио имя фамилия отчество наименование название организация компания клиент адрес город район email почта сумма долг "
    "дата инн комментарий примечание статус номер договор name first last firstname lastname surname company city address "
    "amount debt sum ism ismi familiya familiyasi fish fio f.i.sh manzil shahar tuman summa qarz sana исм фамилия фиш "
    "манзил шаҳар туман сумма қарз mijoz мижоз stir inn пол gender возраст age"
)
"""Words that are in headings and say nothing to us; they show that a row is a header."""

NAME_WORDS: Final = _words(
    "фио имя фамилия отчество полное name fullname firstname lastname surname full first last middle given family ism ismi "
    "ismlari familiya familiyasi sharifi fish f.i.sh fio исм исми фамилияси шарифи фиш"
)
"""Words of a heading above people's names."""

_FULL_NAME: Final = _words("фио полное fullname full fish f.i.sh fio фиш")
_GIVEN_NAME: Final = _words("имя name ism ismi исм исми firstname first")

LANG: Final = _words("lang language locale язык языка til tili тил тили")
QUEUE: Final = _words("queue очередь очереди navbat navbati навбат навбати")
QUEUE_SURE: Final = frozenset({"queue", "pbx queue", "очередь pbx", "очередь атс", "pbx navbati"})
INITIATOR_SURE: Final = frozenset(
    {
        "initiator", "initiator phone", "callfrom", "call from", "инициатор", "телефон инициатора", "номер инициатора",
        "tashabbuskor", "tashabbuskor telefoni", "ташаббускор", "ташаббускор телефони",
    }
)  # fmt: skip
INITIATOR_WEAK: Final = frozenset({"from", "от кого", "kimdan", "кимдан"})
EXPIRES_SURE: Final = frozenset(
    {
        "expires at", "expires", "call before", "позвонить до", "звонить до", "qo'ng'iroq muddati", "қўнғироқ муддати",
    }
)  # fmt: skip
EXPIRES_LIKELY: Final = frozenset({"valid until", "действует до", "amal qilish muddati", "амал қилиш муддати"})
"""Headings of older templates of ours: perhaps the row's, perhaps a contract's."""

EXPIRES_WEAK: Final = frozenset(
    {"expiry", "expiry date", "годен до", "действителен до", "срок действия", "истекает", "muddati", "муддати", "срок"}
)
REFERENCE: Final = (
    "reference", "ref", "референс", "external id", "внешний id", "invoice number", "invoice no", "invoice", "order number",
    "order no", "order id", "order", "contract number", "contract no", "contract", "client id", "customer id", "id",
    "номер счета", "счет", "номер заказа", "заказ", "номер договора", "договор", "лицевой счет", "код клиента", "id клиента",
    "ид клиента", "ид", "hisob raqami", "hisob faktura", "buyurtma raqami", "buyurtma", "shartnoma raqami", "shartnoma",
    "mijoz id", "mijoz kodi", "ҳисоб рақами", "буюртма рақами", "буюртма", "шартнома рақами", "шартнома", "мижоз коди",
)  # fmt: skip
"""Best first: of several that a file has, the first in this list is the reference."""

_NAMES: Final = MESSENGER | NOT_PHONE
"""Words of two parts that are one name."""

_OTHERS: Final = OTHER_PERSON | FURTHER | UNFIT
_KNOWN: Final = NUMBER | PERSON | CONTACT | ADDRESSEE | NEUTRAL | MESSENGER | _OTHERS
_DATA: Final = frozenset(
    {"данные", "сведения", "информация", "data", "details", "information", "ma'lumotlari", "маълумотлари"}
)
_STEMS: Final = OTHER_PERSON_STEMS + PERSON_STEMS

_REPEATED: Final = re.compile(r" \[[A-Z]{1,3}\]$")
_CAMEL: Final = re.compile(r"(?<=[a-zа-я])(?=[A-ZА-Я])")
_DIGIT_EDGE: Final = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_ORDINAL: Final = frozenset({"й", "ый", "ой", "chi", "чи", "nd", "rd", "th", "st", "inchi", "инчи"})
_SPACES: Final = frozenset('_.:*()/\\#-\t\n\r,;|"«»[]{}+!?&=<>–—')
_LIKE_CYRILLIC: Final = "aceopxykmhtbi"
_LIKE_LATIN: Final = "асеорхукмнтві"
_TO_CYRILLIC: Final = str.maketrans(_LIKE_CYRILLIC, _LIKE_LATIN)
_TO_LATIN: Final = str.maketrans(_LIKE_LATIN, _LIKE_CYRILLIC)
_APOSTROPHES: Final = str.maketrans("ʻʼ‘’`´ʹ", "'''''''")


class Meaning(NamedTuple):
    """What a heading means.

    ``field`` is phone, name, lang, initiator, queue, reference, expires_at or "". ``certainty`` is 2 when nobody needs to be
    asked, 1 when it may be so. ``number`` is that of "Phone 2", 1 without one; ``rank`` orders references and names, 0 is best.
    ``other`` tells that a phone is somebody else's, or a further one; ``speaks`` that the heading speaks of a phone.
    """

    field: str = ""
    certainty: int = 0
    number: int = 1
    rank: int = 0
    other: bool = False
    speaks: bool = False
    known: bool = False


def is_of_others(name: str) -> bool:
    """Whether a heading speaks of people who are not the list's own: a manager, a guarantor, a relative."""
    return any(word in OTHER_PERSON or word.startswith(OTHER_PERSON_STEMS) for word in normalise_name(name).split())


def without_refusal(name: str) -> str:
    """A heading of a do-not-call list without the words that say so: "Телефон (не звонить)" is a phone there."""
    words = normalise_name(name).split()
    plain = [word for word in words if word not in UNFIT and word not in _NEGATIONS]
    return name if plain == words else " ".join(plain)


def is_group_of_others(name: str) -> bool:
    """Whether a heading above several columns is other people's alone: "Поручитель", and not "Менеджер Иванов"."""
    words = normalise_name(name).split()
    known = all(word in _KNOWN or word in _DATA or word.startswith(_STEMS) for word in words)
    return known and not name.rstrip().endswith(":") and is_of_others(name)


def normalise_name(name: str) -> str:
    """A column's name for comparison: lower case, single spaces, no dots, marks or invisible characters.

    A letter of the other alphabet that looks like its neighbours', as the "e" of "Тeлефон", is taken for theirs.
    """
    # NFKC would turn "№" into "No".
    text = unicodedata.normalize("NFKC", name[:MAX_NAME].replace("№", " "))
    text = text.casefold().replace("ё", "е").translate(_APOSTROPHES)
    words = "".join(" " if c in _SPACES else c for c in text if c.isprintable() or c in _SPACES).split()
    return " ".join(word if word.isascii() else _one_alphabet(word) for word in words)


def _one_alphabet(word: str) -> str:
    if not any("a" <= c <= "z" for c in word):
        return word
    latin = any("a" <= c <= "z" and c not in _LIKE_CYRILLIC for c in word)
    cyrillic = any(c >= "\u0400" and c not in _LIKE_LATIN for c in word)
    return word if latin == cyrillic else word.translate(_TO_LATIN if latin else _TO_CYRILLIC)


@lru_cache(maxsize=1024)
def meaning(name: str) -> Meaning:
    """What a column's name means to us."""
    if len(name) > MAX_NAME:
        return Meaning()
    plain = _REPEATED.sub("", name)
    # "customerPhone" has two words; "PHONE" has one.
    text = normalise_name(
        " ".join(word if word.casefold() in _NAMES else _CAMEL.sub(" ", word) for word in plain.split())
    )
    words = _DIGIT_EDGE.sub(" ", text).split()
    return _exact(normalise_name(plain), bool(words)) or _phone(words) or _other_field(text, words)


def _exact(text: str, has_words: bool) -> Meaning | None:
    match text:
        case "phone" | "callto":
            return Meaning("phone", 2, speaks=True, known=True)
        case "lang" | "initiator" | "queue" | "reference":
            return Meaning(text, 2, known=True)
        case "expires at":
            return Meaning("expires_at", 2, known=True)
    return None if has_words else Meaning()


def _phone(words: list[str]) -> Meaning | None:
    number, words = _number(words)
    phones = [word for word in words if _is_phone(word)]
    # "otasining telefoni" is of the same person as "otasi".
    rest = [word.removesuffix("ning").removesuffix("нинг") for word in words if word not in phones]
    fused = any(_fused_attribute(word) for word in phones)
    if fused or any(word in ATTRIBUTE and word not in NEUTRAL for word in rest):
        # "Phone type", "Дата звонка", "Номер договора": of a phone perhaps, and no phone.
        return None
    other = any(word in _OTHERS or word.startswith(OTHER_PERSON_STEMS) for word in rest) or _is_negated(words)
    strange = sum(word not in _KNOWN and not word.startswith(_STEMS) for word in rest)
    if " ".join(words) in INITIATOR_SURE:
        return Meaning("initiator", 2, known=True)
    if phones:
        certain = not other and strange <= 2 and len(words) <= 9
        return Meaning("phone", 2 if certain else 1, number, other=other, speaks=True, known=True)
    if strange or not rest:
        return None
    contact, counted = any(word in CONTACT for word in rest), any(word in NUMBER for word in rest)
    if any(word in MESSENGER for word in rest):
        return Meaning("phone", 1, number, other=True, known=True)
    if contact and counted and not other:
        return Meaning("phone", 2, number, speaks=True, known=True)
    person = any(word in PERSON for word in rest)
    alone = rest[0] in {"абонент", "абоненты", "abonent", "получатель", "получатели", "recipient", "recipients"}
    receiver = rest in (["qabul", "qiluvchi"], ["қабул", "қилувчи"], ["oluvchi"], ["олувчи"])
    if counted or contact or receiver or (alone and len(rest) == 1) or (len(rest) == 1 and rest[0] in ADDRESSEE):
        return Meaning("phone", 1, number, other=other, known=counted or contact or person)
    return None


def _is_negated(words: list[str]) -> bool:
    """Whether a heading says "do not ring": "Телефон (не звонить)"."""
    return not _NEGATIONS.isdisjoint(words) and not any(word.startswith(_NEEDED) for word in words)


def _is_phone(word: str) -> bool:
    if word in NOT_PHONE:
        return False
    return word in PHONE or any(stem in word for stem in PHONE_STEMS)


def _fused_attribute(word: str) -> bool:
    """ "phonetype" and "phone_type" are the same."""
    rest = word
    for stem in ("telephone", "phone", "telefon", "телефон"):
        rest = rest.replace(stem, " ")
    return any(part in ATTRIBUTE for part in rest.split())


def _number(words: list[str]) -> tuple[int, list[str]]:
    """The number of "Phone 2", "2-й телефон" or "Phone 2 - Value", and the other words; 1 without one."""
    numbers = [word for word in words if word.isdecimal() and word.isascii() and len(word) < 3]
    if len(numbers) != 1 or not 1 <= int(numbers[0]) <= MAX_NUMBER:
        return 1, words
    rest = [word for word in words if word != numbers[0] and word not in _ORDINAL]
    return int(numbers[0]), rest


def _other_field(text: str, words: list[str]) -> Meaning:
    known = bool(words) and any(word in KNOWN_OTHER or word in ATTRIBUTE or word in PERSON for word in words)
    has = set(words)
    if text in REFERENCE:
        return Meaning("reference", 2, rank=REFERENCE.index(text), known=True)
    if text in INITIATOR_SURE or text in INITIATOR_WEAK:
        return Meaning("initiator", 2 if text in INITIATOR_SURE else 1, known=True)
    if has & LANG and len(words) <= 3 and not has - LANG & ATTRIBUTE:
        return Meaning("lang", 2, known=True)
    if has & QUEUE and len(words) <= 3:
        return Meaning("queue", 2 if text in QUEUE_SURE else 1, known=True)
    if text in EXPIRES_SURE:
        return Meaning("expires_at", 2, known=True)
    if text in EXPIRES_LIKELY or text in EXPIRES_WEAK:
        return Meaning("expires_at", 1, rank=0 if text in EXPIRES_LIKELY else 1, known=True)
    rank = _name_rank(has) if len(words) <= MAX_NAME_WORDS else None
    return Meaning(known=known) if rank is None else Meaning("name", 2, rank=rank, known=True)


def _name_rank(words: set[str]) -> int | None:
    """How well a heading names people: 0 for "ФИО", 3 for "Клиент" alone; None for another heading."""
    letters = {word for word in words if not word.isdecimal()}
    if letters in ({"ф", "и", "о"}, {"f", "i", "sh"}, {"f", "i", "o"}, {"ф", "и", "ш"}):
        return 0
    if not letters or letters - NAME_WORDS - PERSON - NEUTRAL:
        return None
    if letters & NAME_WORDS:
        return 0 if letters & _FULL_NAME else 1 if letters & _GIVEN_NAME else 2
    return PERSON_ALONE if letters & PERSON else None
