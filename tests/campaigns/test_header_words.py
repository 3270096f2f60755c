"""Headings that people write in Russian, Uzbek and English are understood by their words, and none is taken wrongly."""

import pytest

from alodial.campaigns.importing.header_words import CERTAIN, Meaning, meaning

PHONES = """
phone|Phone number|PHONE_NUMBER|phone#|  Mobile  |MSISDN|Tel.|Tel|Telephone|Telephone No.|Phone No|Mobile No
Mobile No.|Mobile number|Work Phone|Home Phone|Business Phone|Primary Phone|Cell|Cell phone|Cell Number
Contact Number|Contact Phone|Contact No|customerPhone|customer_phone|CustomerPhoneNumber|client phone
Phone (mobile)|Phone: mobile|Phone 1 - Value|Phone1|phone_1|phoneNumber|mobileNumber|userPhone|Recipient phone
callto|Customer mobile|Mobile phone number|Main phone|Phone (required)|Tel number|Tel-no|Subscriber phone
Lead phone|Phone E164|Your phone|Patient Phone|Guest phone number|Day phone|Landline phone|SMS phone|Телефон
Номер телефона|номер  Телефона:|Тел.|Тел|ТЕЛЕФОН*|Мобильный|моб. тел.|Тел. моб.|№ телефона|№ тел.|Сот. тел.
Сотовый|Сотовый тел.|Сотовый телефон|Рабочий телефон|Домашний телефон|Контактный телефон|Основной телефон
Номер телефона клиента|Телефон (моб.)|Телефоны|Мобильный телефон|Мобильный номер|Номер мобильного телефона
Телефон клиента|Телефон абонента|Телефон получателя|Контактный номер|Конт. тел.|Телефон для связи
Номер для связи|Телефон контрагента|Телефон должника|Номер моб. телефона|моб.номер|Моб|Сот.|тел/моб
Телефонный номер|Номер тел|тел. номер|Телефон 1|Телефон №1|Телефон (основной)|Городской телефон|Телефон заёмщика
Телефон пациента|Контактный телефон клиента|Телефон физ. лица|Телефон (с кодом)|Номер сотового|Личный телефон
Теле\u200bфон|\ufeffТелефон|ТелефонКлиента|Тел.:|Телефон, моб.|Номер телефона (998)|Телефон_моб
Номер сот. тел. клиента|Контактные телефоны|Телефон плательщика|Телефон 998|telefon|Telefon raqami|telefon_raqam
Telefon raqam|Tel. raqami|tel raqam|Uyali telefon|Uyali tel|tel nomer|Tel nomeri|Telefon nomeri|Mijoz telefoni
Mijoz telefon raqami|Mijozning telefoni|Bog‘lanish uchun telefon|Bog'lanish telefoni|Bogʻlanish raqami
Aloqa raqami|Aloqa telefoni|Aloqa uchun telefon|Mobil|Mobil telefon|Mobil raqam|Mobil raqami|Abonent telefoni
Ish telefoni|Uy telefoni|Asosiy telefon|Shaxsiy telefon|Telefon raqamingiz|Telefonlar|Qarzdor telefoni
Telefon (mobil)|Telefon 1|Sotoviy|Телефон рақами|Телефон рақам|Телефон номери|Уяли телефон|Тел рақами
Мижоз телефони|Мижоз телефон рақами|Алоқа рақами|Алоқа телефони|Мобил телефон|Телефони|Боғланиш учун телефон
Телефон (не обязательно)|Phone (not required)|Tелефон|Тeлeфoн клиeнта|Phonе|Mобильный|ТЕЛЕФOH|Teл.
Боғланиш рақами|Мижознинг телефони|Mijozning telefoni|Абонент телефони|Иш телефони|Асосий телефон|Ｐｈｏｎｅ
"""

ASKED = """
Номер|номера|Номер клиента|Номер абонента|Контакт|Контакты|Получатель|Абонент|Кому|Number|Numbers|Contact
Contacts|Recipient|To|Customer number|Raqam|raqami|nomer|Mijoz raqami|Abonent raqami|abonent|kontakt|kimga
Qabul qiluvchi|Рақам|рақами|Мижоз рақами|Кимга|Телефон менеджера|Телефон супруги|Телефон родственника
Доп. телефон|Дополнительный телефон|Другой телефон|Телефон поручителя|Телефон офиса|Manager phone
Emergency phone|Other Phone|Spouse phone|Second phone|Kafil telefoni|Qo‘shimcha telefon|Menejer telefoni
Телефон внука|Тел. тёщи|Телефон работодателя|Телефон кассира|Тел. зам.|Телефон (не звонить)|Старый телефон
Неверный номер телефона|Телефон не отвечает|Phone (do not call)|Old phone|Wrong number phone|Eski telefon|Наш телефон
Employer phone|Grandmother phone|Phone of next of kin|Nevarasining telefoni|Ustozining telefoni|Набираси телефони
WhatsApp|Telegram номер|Телефон курьера|Телефон филиала|Telefon (onasi)|Otasining telefoni|Menejerining telefoni
Онасининг телефони|Телефон соседа|Телефон бабушки|Brother phone|Qo‘shnisi telefoni|Телефон опекуна
"""

NO_PHONES = """
ФИО|Имя|Фамилия|ИНН|СТИР|ПИНФЛ|Номер договора|Номер заказа|Номер счёта|Лицевой счет|№|№ п/п|№ договора|Сумма
Дата|Дата звонка|Адрес|Факс|Тип телефона|Модель телефона|Марка телефона|Код телефона|Комментарий к телефону
Кол-во звонков|Номер карты|Номер паспорта|Гос. номер|Контактное лицо|Имя контакта|Внутренний номер|Добавочный
Номер очереди|Срок действия|Город|Email|Статус звонка|Стоимость телефона|Номер накладной|Номер документа
Номер квартиры|Баланс телефона|Статус|Владелец|Клиент|Менеджер|Оператор|Период|01.11.26-30.11.26|name
Contact name|Order number|Invoice no|Account number|Passport number|Phone type|phone_type|phonetype|Phone model
Phone verified|Phone 1 - Label|Phone 1 - Type|Fax|Business Fax|Fax number|ID|Serial number|Card number
Row number|Ticket number|iPhone|Microphone|Country code|Phone country|Call date|Client|Customer|Tracking number
Room number|TTY/TDD Phone|Extension|Phone ext|ism|familiya|STIR|JSHSHIR|Shartnoma raqami|Buyurtma raqami
Hisob raqami|Karta raqami|Pasport raqami|Navbat raqami|manzil|summa|sana|Telefon turi|Telefon modeli
Telefon narxi|izoh|Mijoz|mijoz ismi|Tartib raqami|Amal qilish muddati|исм|манзил|Шартнома рақами|Ҳисоб рақами
Телефон тури|Телефон нархи|Мижоз|Тартиб рақами|Паспорт рақами|Жўнатувчи
"""


def _listed(text: str) -> list[str]:
    return [name for line in text.strip().splitlines() for name in line.split("|")]


@pytest.mark.parametrize("name", _listed(PHONES))
def test_a_heading_that_names_a_phone_is_understood(name: str) -> None:
    found = meaning(name)
    assert (found.field, found.certainty, found.other) == ("phone", CERTAIN, False)


@pytest.mark.parametrize("name", _listed(ASKED))
def test_a_heading_that_may_be_a_phone_is_asked_about(name: str) -> None:
    found = meaning(name)
    assert (found.field, found.certainty) == ("phone", 1)


@pytest.mark.parametrize("name", _listed(NO_PHONES))
def test_a_heading_that_names_something_else_is_no_phone(name: str) -> None:
    assert meaning(name).field != "phone"


def test_the_table_has_more_than_two_hundred_headings_of_phones() -> None:
    assert len({*_listed(PHONES), *_listed(ASKED)}) >= 205


@pytest.mark.parametrize(
    ("name", "number"), [("Телефон 2", 2), ("2-й телефон", 2), ("Phone 3 - Value", 3), ("telefon2", 2), ("Номер 2", 2)]
)
def test_a_number_beside_the_word_is_the_phones_place(name: str, number: int) -> None:
    assert meaning(name).number == number


def test_a_heading_longer_than_any_heading_means_nothing() -> None:
    assert meaning("Телефон" * 1000) == Meaning()
