# SPDX-License-Identifier: Apache-2.0
"""The sentences of the pages that mail links lead to: answering, and reminders from outside. In every catalogue.

Used as `words.say(PageText.ANSWER_AS, address=...)` with `gateway.imip.words.load_words`.
"""

from enum import StrEnum

from gateway.imip.words import mark


class PageText(StrEnum):
    """One sentence or label of a page; the value is the message of the catalogues."""

    ANSWER_AS = mark("You answer as {address}.")
    NOT_ME = mark("This is not me")
    ACCEPT = mark("Yes, I will attend")
    TENTATIVE = mark("I am not sure yet")
    DECLINE = mark("No, I will not attend")
    COMMENT = mark("Message to the organizer (optional)")
    SEND = mark("Send answer")
    CHOOSE = mark("Please choose one of the answers.")
    RECORDED = mark("Your answer has been recorded: {answer}")
    PRESENT_ANSWER = mark("Your answer so far: {answer}")
    CHANGE_LATER = mark("You can change your answer on this page until the event is over.")
    ORGANIZER_TOLD = mark("The organizer has been told.")
    NO_LONGER_INVITED = mark("You are no longer invited to this event.")
    CANCELED = mark("This event has been canceled.")
    OVER = mark("This event is over and can no longer be answered.")
    EVENT_CHANGED = mark("The event has changed since this link was sent. Please look at the details below.")
    NO_SUCH_LINK = mark("This link does not work. Please open it again from the message; it may have been cut off.")
    TOO_SLOW = mark("This page was open for too long. Please send your answer again.")
    TOO_MANY = mark("Too many requests. Please try again in a few minutes.")
    OUR_TROUBLE = mark("Something went wrong on our side. Please try again later.")
    NOT_ME_NOTED = mark("Thank you. The organizer will be told that this address is wrong.")
    LANGUAGE = mark("Language")
    STOP_REMINDERS = mark("Stop reminders to {address}?")
    STOP = mark("Stop reminders")
    STOPPED = mark("No more reminders will be sent to {address}.")
    ALLOW_REMINDERS = mark("{person} would like to send calendar reminders to {address}.")
    ALLOW = mark("I agree")
    REFUSE = mark("I do not agree")
    ALLOWED = mark("Thank you. Reminders may now be sent to {address}.")
