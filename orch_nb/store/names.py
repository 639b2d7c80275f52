"""Names of runs that people can say: an adjective and an animal."""

from __future__ import annotations

import random
from collections.abc import Iterator

_ADJECTIVES = """
able agile airy amber ample apt autumn azure balmy bold brave breezy bright brisk bronze calm
candid careful cheery chief civil clear clever cool copper coral cosy crisp curious daring deft
dewy dreamy eager early earnest easy even fair fancy fast fearless fine firm fleet fluent fond
frank free fresh gentle giddy glad gleaming golden good grand great green handy happy hardy hasty
hazel hearty honest humble ideal indigo ivory jaunty jolly jovial joyful keen kind large lavish
light limber lively loyal lucid lucky lunar magic maple mellow merry mighty mild mindful minty
modest neat new nimble noble north oaken olive open orderly pale patient peppy perky placid plain
plucky plum polite prime proper proud punctual quick quiet rapid rare ready regal robust rosy
royal ruby rustic sandy serene sharp shiny silent silver simple sincere sleek smart smooth snowy
snug sober solar solid southern spry stable steady stellar still stout strong sturdy subtle sunny
sure swift tawny tender thrifty tidy topaz tranquil true trusty upbeat urbane valiant velvet
violet vivid warm wary western whole wild willing windy wise witty young zesty
"""

_ANIMALS = """
adder albatross alpaca ant antelope auk avocet badger barbel bat bear beaver bee bison bittern
boar bream buffalo bullfinch bunting buzzard camel caribou carp cat chaffinch chamois cheetah
chough civet cod condor coot cormorant coyote crab crane cricket crow cuckoo curlew deer dingo
dipper dog dolphin donkey dormouse dove duck dunlin eagle eel egret eider elk emu falcon ferret
finch firefly fox frog gannet gazelle gecko gibbon giraffe gnu goat godwit goldfinch goose goshawk
grebe grouse gull hamster hare harrier hawk hedgehog heron herring hobby hoopoe hornet horse hyena
ibex ibis iguana impala jackal jackdaw jaguar jay kestrel kingfisher kite kiwi koala kudu lapwing
lark lemming lemur leopard limpet linnet lion lizard llama lobster lynx mackerel magpie mallard
marlin marmot marten martin merlin mink mole mongoose moose moth mouse mule newt nightjar numbat
ocelot octopus okapi orca oriole oryx osprey ostrich otter owl ox oyster panda panther parrot
partridge pelican penguin perch petrel pheasant pigeon pike pipit plover polecat pony porpoise
puffin puma quail rabbit raccoon ram raven redshank redstart reindeer robin rook ruff salmon
sandpiper seal shark sheep shrew shrike siskin skua skylark snail snipe sparrow squid squirrel
starling stoat stork sturgeon swallow swan swift tapir teal tern thrush tiger toad tortoise trout
tuna turbot turtle viper vole wagtail walrus warbler weasel whale wheatear whimbrel wigeon wolf
wombat woodcock wren yak zebra
"""


def candidates(wanted: str = "", chance: random.Random | None = None) -> Iterator[str]:
    """Endless names to try until one is free: ``wanted`` first, or a few pairs such as
    ``brave-otter``; then with numbers that grow longer the more were taken.
    """
    chance = chance or random.SystemRandom()
    if wanted:
        yield wanted
    else:
        for _ in range(4):
            yield _pair(chance)
    digits = 1
    while True:
        base = wanted or _pair(chance)
        yield f"{base}-{chance.randrange(2, 10**digits + 2)}"
        digits += 1


def _pair(chance: random.Random) -> str:
    return f"{chance.choice(_ADJECTIVES.split())}-{chance.choice(_ANIMALS.split())}"
