"""The closed vocabulary of the mini world: words of names, and values of attributes.

All words are invented or common English. Pools hold 12 to 60 values, and every value of a pool has
the same number of words, so that a wrong answer never differs from the right one in length.
"""

from itertools import product


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _pairs(adjectives: str, nouns: str) -> tuple[str, ...]:
    return tuple(map(" ".join, product(adjectives.split(), nouns.split())))


FIRST_NAMES = _words("""
    Mira Tobin Elowen Davor Sanna Corin Liesel Marek Yara Orlin Fenna Jorund Talia Bastian Ilka
    Rowan Senna Vidar Nerys Casimir Oona Lorcan Petra Anselm Brisa Calder Delphine Edvin Freya
    Gideon Hanneke Isaura Jarek Kaia Leopold Maren Nadim Ottilie Pascal Quilla Rurik Signe Tamsin
    Ulric Velda Wendel Xenia Yorick Zora Alaric Beatrix Cyprian Dagny Emeric Fiora Gwenda Hollis
    Ingrid Jovan Katya Ludo Malin Nestor Odette Pavel Ronja Stellan Thea Ursel Viggo Wilma Zelda
""")
FAMILY_NAMES = _words("""
    Tolvane Brennick Corvale Dunmarrow Eldergate Farrowby Grenholt Harkwell Ilvane Jorvale Kestrow
    Lindmere Marwick Norfell Oakmoor Pellgrave Quenby Rothwick Selwood Thornlea Umberly Vandreth
    Wexcombe Yarrowin Zellwick Ashdell Birkholt Crannoch Delverin Everstone Fenwright Galdren
    Hollowby Istrand Jessamy Kirvane Lorimond Merrigan Nettlefold Ormsby Pendrith Quillon Redfern
    Stavrin Tarnwell Undrell Varnholm Whitlock Ysmere Zandrow Amberley Blackmere Coldwell Drayford
    Elmstead Foxgrove Garroway Hazelden Ingleby Kettering Larkspear Mossgrave Northcote Osterling
    Penhallow Rosthwaite Silverton Tideswell Underhay Velloren Winterby Wrayburn
""")
YEARS = tuple(str(year) for year in range(1941, 1971))
TOWNS = _words("""
    Keldra Ostrell Velmark Tarsin Brandel Orsella Lundrey Marisk Pellano Dravik Sarento Halmsey
    Kivari Noreval Eskaby Ruvina Torvik Calista Jandor Medrill Ulmora Fenstad Grivola Istrella
    Lorvane Palmerin Quorra Sendal Wolmar Zarnitz
""")
LANDMARKS = _words("""
    mill bridge lighthouse market cathedral library fountain theatre castle tower bakery station
    windmill school garden museum
""")
GENRES = _words("""
    satire horror romance poetry fantasy comedy tragedy biography fables thrillers westerns memoirs
    essays ballads epics parables travelogues mysteries
""")
OCCUPATIONS = _words("""
    baker weaver potter farmer miller tailor surgeon florist cooper sailor painter judge plumber
    barber teacher pilot clockmaker beekeeper shepherd locksmith gardener fisher mason dentist
    librarian violinist carpenter midwife
""")
TEMPERS = _words("""
    patient cheerful stern gentle proud modest stubborn generous silent thrifty restless witty
    solemn dreamy
""")
TITLE_ADJECTIVES = "Silent Hidden Broken Crimson Distant Golden Hollow Wandering"
FIRST_BOOKS = _pairs(TITLE_ADJECTIVES, "Lantern Orchard Mirror Staircase Compass Sparrow Kingdom")
FAMOUS_BOOKS = _pairs(TITLE_ADJECTIVES, "Harbour Winter Letter Violin Forest Clockwork Island")
THEMES = _words("""
    memory exile hunger loyalty grief ambition childhood betrayal courage jealousy silence revenge
    faith solitude
""")
LANGUAGE_COUNTS = _words("""
    eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
    twenty thirty
""")
UNIVERSITIES = _words("""
    Velmoor Aldersey Brackenfield Carrowmore Dunstane Eastmarch Fairhaven Greyfriars Highmere
    Kingsbarrow Langholm Monkswell Newbridge Priorsgate Stonecross Westerlea
""")
HOBBIES = _words("""
    carving sailing fencing juggling knitting gardening archery chess cycling origami skating
    pottery birdwatching astronomy climbing rowing baking falconry puppetry dancing
""")
AWARDS = _pairs(
    "Amber Ivory Copper Scarlet Crystal Velvet", "Quill Laurel Falcon Crown Anchor Rose"
)
INK_COLOURS = _words("""
    red blue green violet orange purple black silver turquoise brown pink grey
""")
PETS = _pairs("black brown grey white", "heron rabbit goose tortoise donkey parrot ferret goat")
MENTORS = _words("""
    Corven Haldric Ibsworth Jarnik Kolvin Lestrand Morvath Nyland Okonor Pravell Rademar Strand
    Tiberon Vosgard Wendrick Zubrin
""")
LANGUAGES = _words("""
    Danish Finnish Polish Latin Welsh Czech Greek Turkish Swedish Hungarian Icelandic Basque Persian
    Catalan Estonian Maltese
""")
POETS = _words("""
    Sellwyn Amaranth Bellagio Cordovan Delacroy Esterhaz Fontavel Gilderoy Hyacinth Ivarsen Kesparin
    Lysander Montrell Novelin Ravello Serafin
""")
MONTHS = _words("""
    January February March April May June July August September October November December
""")
PUBLISHERS = _words("""
    Ravenhill Bluestone Candlemoor Driftwood Evergreen Firefly Goldfinch Hearthside Inkwell Juniper
    Lighthaven Moonrise Nightingale Paperbark Starling Wildflower
""")
VALLEYS = _words("""
    Orlan Brenna Cadwell Dornach Errindale Frosta Glenhaven Hesper Isolde Karst Lavanne Mirefold
    Nordal Pomeray Rosmere Sylvan
""")
VIEWS = _words("""
    river lake mountain meadow vineyard forest waterfall cliff bridge mill castle garden
""")
