"""The words that people write beside a number or an address, and which of them cast doubt on it.

Plain notes ("mum", "work") never do. Beside a number any other word does, a name included; beside an address in angle
brackets a name is what belongs there, so what looks like no name does: "do not email", "court order", "deceased".
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

NOTE_WORDS: Final = (
    r"(?:mobile|mob|phone|tel|telephone|contact) (?:num|number)"
    r"|mum|mummy|mom|mam|dad|daddy|mother|father|parents?|step-?(?:mum|dad|mother|father)|guardian|carer"
    r"|partner|husband|wife"
    r"|gran|granny|nan|nana|grandma|grandad|grandpa|grandmother|grandfather|aunt|auntie|uncle"
    r"|home|work|mobile|mob|cell|phone|telephone|tel|ph|m|h|w|t"
)
"""Words that may stand beside a number without casting doubt on it, as a pattern of RE2 and `re` alike."""

BETWEEN_ADDRESSES: Final = r"[\s,;/|<>]+"
"""What stands between two email addresses in one cell."""

# Words, without apostrophes, that are nobody's name: said of an address that is not to be used, or part of a sentence.
_NO_NAME: Final = re.compile(
    r"no|non|not|nor|never|none|nobody|dont|doesnt|didnt|cannot|cant|wont|shouldnt|mustnt|isnt|stop(?:ped|s)?|cease"
    r"|(?:un|de)?subscri\w*|unsub\w*|opt(?:s|ed|ing)?|out|off|remov\w+|delet\w+|block(?:ed|ing)|bann?ed|barred|bounc\w+"
    r"|undeliver\w*|return(?:ed|s)|reject\w*|refus\w+|declin\w+|withdr\w+|withheld|revok\w+|consent\w*|gdpr|complain\w*"
    r"|wrong|invalid|incorrect|unknown|unused|disused|inactive|dormant|expired|closed|cancel\w*|obsolete|outdated"
    r"|old|former(?:ly)?|previous(?:ly)?|ex|leavers?|left|moved|gone|changed|deceased|dead|died|rip|estranged|separated"
    r"|divorced|court|orders?|injunction|restrain\w*|prohibit\w*|forbid\w*|forbidden|safeguard\w*|custody|police|prison"
    r"|access|legal|solicitors?|warning|caution|careful|danger\w*|alert|urgent|important|confidential|private|secret"
    r"|emergenc\w+|only|except|unless|until|instead|please|ask|check\w*|confirm\w*|verify|unverified|tbc|tba|todo|spam"
    r"|test|send(?:ing|s)?|sent|used?|using|prefers?|preferred|allowed|permitted|permission"
    r"|the|this|that|these|those|is|are|was|were|has|have|had|been|be|being|should|must|for|by|via|with|without|from"
    r"|if|when|before|after|because|since|his|their|its|it|they|at|but",
    re.IGNORECASE,
)
_BETWEEN_WORDS: Final = re.compile(r"[\s()\[\]\"“”,.;:/|&+\-\u2010-\u2015]+")
_APOSTROPHES: Final = re.compile("['`´‘’]")
_MOST_WORDS: Final = 8  # of a name, with titles and a note: "Mr and Mrs A. B. Khan-Smith (parents)"


def is_a_name(words: str) -> bool:
    """Whether what stands beside an address could be its owner's name, or a plain note, and nothing else.

    >>> is_a_name("Khan-O’Neil, Ann (mum)"), is_a_name("NO CONTACT - court order"), is_a_name("Deceased")
    (True, False, False)
    """
    bare = _APOSTROPHES.sub("", unicodedata.normalize("NFKC", words))
    found = [word for word in _BETWEEN_WORDS.split(bare) if word]
    return len(found) <= _MOST_WORDS and all(_of_letters(word) and not _NO_NAME.fullmatch(word) for word in found)


def _of_letters(word: str) -> bool:
    return all(unicodedata.category(sign)[0] in "LM" for sign in word)
