"""People, addresses and number plates, made up: what is written down at a station and must never leave it."""

from __future__ import annotations

NAMES = (
    *("Aaravind", "Bhavesh", "Chitralekha", "Devnandan", "Eshwari", "Falguni", "Girijesh", "Harpreet", "Indrajit"),
    *("Jagdamba", "Kamlesh", "Lalitmohan", "Madhulika", "Narottam", "Omprakash", "Parvathi", "Qamaruddin"),
    *("Raghunath", "Sulochana", "Tarabai", "Urmilesh", "Vaidehi", "Waheeda", "Yashodhar", "Zubeida", "Yamuna"),
)
SURNAMES = (
    *("Agnihotri", "Bhattathiri", "Chaturvedi", "Deshpande", "Elayidom", "Fernandes", "Ghoshal", "Hegdekar"),
    *("Iyengar", "Jadhavrao", "Kulkarni", "Lakhanpal", "Mukhopadhyay", "Namboodiri", "Ojhalal", "Patwardhan"),
    *("Qureshiwala", "Raychaudhuri", "Siddiqui", "Tendulwar", "Upadhyaya", "Vaidyanath", "Wadiyar", "Yadavendra"),
)
STREETS = ("Ashokavan Marg", "Bansidhar Gali", "Chandanpur Chowk", "Durgabari Lane", "Ektanagar Path", "Fatehganj Road")
STORIES = (
    "{name} says that it was gone in the morning, and that a neighbour, {parent}, had heard steps in {street}.",
    "{name} of {street} was stopped by two men on the way home, who knew the name of {parent}.",
    "{name} says that nobody but {parent} knew of it, and that a dog had barked in {street}.",
)


def plate(number: int) -> str:
    """A number plate of the made-up state, of numbers below 6.7 million; the same number, the same plate."""
    letters, digits = divmod(number, 9_999)
    first, second = divmod(letters, 26)
    return f"SX{1 + number % 9:02}{chr(65 + first % 26)}{chr(65 + second)}{digits + 1:04}"
