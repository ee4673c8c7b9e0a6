"""Vocabulary of the synthetic referring fragments of :mod:`zsris_viz.miniature.training.fragments`."""

from __future__ import annotations


def _split(words: str) -> tuple[str, ...]:
    return tuple(words.split())


PEOPLE = _split("""
    man woman guy lady girl boy kid child person baby toddler dude gentleman player batter catcher umpire
    pitcher skier surfer skateboarder snowboarder rider driver cook waiter officer soldier worker student
    teacher bride groom mother father mom dad friend teenager adult male female referee goalie golfer cyclist
    biker singer tourist farmer nurse vendor customer couple family crowd
""")
ANIMALS = _split("""
    dog cat horse cow sheep bird duck goose elephant zebra giraffe bear panda lion tiger goat pig monkey fish
    puppy kitten calf lamb deer rabbit swan pigeon parrot bull pony foal ram owl seagull turtle hamster chicken
    rooster
""")
VEHICLES = _split("""
    car truck bus van train boat ship plane airplane jet helicopter bike bicycle motorcycle motorbike scooter
    taxi cab wagon jeep trailer tractor carriage canoe kayak yacht sailboat engine trolley minivan pickup
    ambulance tram
""")
FOOD = _split("""
    pizza sandwich cake donut doughnut apple banana orange carrot broccoli salad soup rice bread bun burger
    fries hotdog pasta cookie muffin bagel cupcake pie egg cheese lettuce tomato potato onion pepper melon grape
    strawberry pear lemon peach meat steak bacon sausage fish chicken pancake waffle dessert icing sauce noodles
    beans corn cucumber pickle sushi taco
""")
THINGS = _split("""
    cup mug bottle glass bowl plate fork knife spoon pot pan tray jar jug pitcher kettle basket box bag suitcase
    backpack purse briefcase umbrella book magazine newspaper laptop computer monitor screen keyboard mouse
    phone cellphone remote tv television camera clock lamp light candle vase flower plant tree bush rock sign
    post pole meter hydrant bench chair couch sofa table desk bed pillow blanket stool cabinet shelf drawer
    dresser door window curtain mirror rug sink toilet tub faucet stove oven microwave fridge refrigerator
    toaster counter ball bat glove helmet racket racquet frisbee kite board surfboard skateboard snowboard skis
    teddy toy doll balloon toothbrush scissors towel napkin paper pen guitar piano fence wall building house
    bridge tower statue fountain crate barrel luggage cart stroller wheel tire mat cushion container lid cord
    cable speaker printer blender stand picture pic photo poster frame painting card ring necklace bracelet
    watch tent flag banner net rope ladder bucket hose broom
""")
PARTS = _split("""
    hand arm leg foot head face hair back ear nose tail trunk finger thumb shoulder elbow knee body half side
    end edge corner piece slice part section stack pile row group bunch pair reflection shadow front top bottom
    rear seat handle
""")
CLOTHES = _split("""
    shirt t-shirt tshirt tee coat jacket sweater hoodie hat cap dress skirt shorts pants jeans tie suit vest
    uniform jersey scarf glasses sunglasses goggles helmet gloves boots shoes sneakers socks top blouse robe
    apron bikini swimsuit wetsuit sweatshirt beanie hood belt backpack outfit gown tank tux tuxedo overalls
    headband bandana
""")
PLURALS = _split("""
    people men women guys girls boys kids children dogs cats horses cows birds bananas apples oranges carrots
    cups bowls plates bottles glasses chairs books boxes bags flowers leaves legs hands feet skis shoes donuts
    sandwiches buses cars boats zebras giraffes elephants bears grapes fries eggs tomatoes vegetables fruits
    pillows umbrellas scissors suitcases bikes motorcycles players adults ladies cookies slices pieces utensils
""")
COLOURS = _split("""
    red blue green yellow orange purple pink black white brown gray grey tan silver gold beige maroon teal
    turquoise navy khaki cream blond blonde
""")
APPEARANCE = _split("""
    big small little large tall short tiny huge long young old dark light bright wooden metal plastic leather
    empty full open closed round square striped plaid fluffy furry shiny fat skinny thin thick bald fuzzy wet
    dirty clean broken fresh blurry whole main other same plain fancy colorful floral messy sliced cooked raw
    glazed sugary double single adult male female elderly asian muscular
""")
SUPERLATIVES = _split("""
    biggest smallest largest tallest shortest closest nearest farthest furthest darkest lightest longest
    brightest highest lowest oldest youngest widest fattest
""")
COMPARATIVES = _split("""
    bigger smaller larger taller shorter darker lighter closer older younger longer brighter nearer thinner
""")
ORDINALS = _split("""
    first second third fourth fifth 1st 2nd 3rd 4th 5th last next
""")
#: Nouns that go before a noun as its compound.
COMPOUNDS = _split("""
    baby tennis baseball soccer wine coffee teddy stop traffic parking fire cell computer dinner kitchen street
    passenger police school window tree flower pizza cake hot-dog polar dining office picnic beer water soda
    milk couch bed desk table toy tv train bus airplane ski surf snow bike dirt wall alarm birthday chocolate
    ice-cream
""")
#: (holder, contents): "bowl of soup".
HOLDERS = _split("""
    bowl plate glass cup bottle jar box basket slice piece bunch pair stack pile bag tray side end half group
    row
""")
PLACES = _split("""
    background foreground back front corner distance water air grass snow street road field ground floor shade
    sun mirror sky dirt sand middle center room kitchen window wall shelf counter table rear doorway crowd
""")
SPATIAL = _split("""
    near by behind beside under on in above below over against inside across around beneath underneath atop
    along outside
""")
TRANSITIVE = _split("""
    holding wearing eating riding carrying using watching facing touching pulling pushing reading cutting
    swinging throwing drinking feeding playing petting chasing catching kicking hitting making cooking pouring
    serving hugging wearing holding wearing
""")
INTRANSITIVE = _split("""
    standing sitting lying laying walking running sleeping kneeling jumping bending leaning looking smiling
    grazing waiting flying swimming resting crouching squatting skating surfing talking hanging pointing posing
    stooping floating peeking
""")
PARTICIPLES = _split("""
    parked placed covered filled surrounded stacked cut tied hidden painted seated chained docked mounted folded
    decorated topped wrapped attached stuck held eaten carried dressed loaded plugged turned
""")
PARTICLES = _split("""
    up down over forward away back off alone together outside straight sideways
""")
PRENOMINAL_PARTICIPLES = _split("""
    eaten hidden cut peeled open cropped closed covered visible filled bitten folded seen parked standing
    sitting
""")
DEGREES = _split("""
    half partially very really mostly partly barely almost more most slightly fully
""")
