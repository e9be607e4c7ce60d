// Package goods makes up products, as many as are wanted and always the same ones: names, brands, categories, attributes and
// texts as unevenly spread as those of real shops, for measuring. Words and brands follow Zipf's law.
package goods

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

// Product is made of its number alone.
type Product struct {
	ID, Slug, Name, Brand, Category, Description, Image string
	Attributes                                          map[string]string
	Rating, Reviews                                     int // tenths of a star
	AddedAt                                             time.Time
	Variants                                            []Variant
}

type Variant struct {
	SKU     string
	Options map[string]string
	Price   int64 // cents
}

// Category is part of Parent, if it has one.
type Category struct{ Slug, Name, Parent string }

var departments = []struct {
	slug, name string
	things     []string
}{
	{"home", "Home", strings.Fields("Lamp Sofa Armchair Mirror Clock Rug Cushion Blanket Curtain Shelf Cabinet Candle Vase Frame Basket")},
	{"kitchen", "Kitchen", strings.Fields("Teapot Kettle Pan Pot Knife Spoon Bowl Plate Mug Glass Grater Whisk Toaster Blender Scale")},
	{"garden", "Garden", strings.Fields("Spade Rake Planter Hose Bench Parasol Barbecue Lantern Fountain Trowel Pruner Mower Trellis Birdbath")},
	{"clothing", "Clothing", strings.Fields("Shirt Trousers Jacket Coat Dress Skirt Jumper Sock Scarf Hat Glove Belt Jeans Blouse Cardigan")},
	{"shoes", "Shoes", strings.Fields("Boot Sandal Trainer Loafer Slipper Heel Pump Clog Espadrille")},
	{"sports", "Sports", strings.Fields("Ball Racquet Tent Backpack Bicycle Helmet Skate Goggle Dumbbell Mat Kayak Paddle Rope Compass")},
	{"toys", "Toys", strings.Fields("Bear Puzzle Robot Train Doll Kite Drum Blocks Dinosaur Scooter Castle Rocket Marble")},
	{"music", "Music", strings.Fields("Guitar Violin Piano Trumpet Flute Drum Microphone Amplifier Cello Harmonica Ukulele")},
	{"tech", "Electronics", strings.Fields("Laptop Keyboard Mouse Monitor Camera Headphones Speaker Phone Charger Cable Printer Router Tablet")},
	{"tools", "Tools", strings.Fields("Hammer Drill Saw Wrench Screwdriver Ladder Pliers Sander Toolbox Level Chisel Vice")},
	{"office", "Office", strings.Fields("Pencil Notebook Stapler Folder Desk Chair Calendar Marker Scissors Ruler Envelope Whiteboard")},
	{"books", "Books", strings.Fields("Novel Cookbook Atlas Dictionary Biography Comic Guide Thriller Anthology")},
}

var (
	qualities = strings.Fields("Classic Small Large Compact Light Heavy Modern Vintage Rustic Elegant Simple Deluxe Premium Everyday Travel Folding " +
		"Portable Quiet Bright Soft Warm Cool Round Square Slim Wide Little Grand Royal Nordic Alpine Coastal Urban Country Garden Winter Summer")
	colours   = strings.Fields("Black White Red Blue Green Yellow Grey Brown Pink Orange Purple Beige")
	materials = strings.Fields("Steel Oak Cotton Wool Glass Leather Bamboo Ceramic Plastic Linen Silk Aluminium Brass Cork Rubber")
	sizes     = strings.Fields("XS S M L XL XXL")
	common    = strings.Fields("the a of and with for is it this that in on to your you from made easy good every day use one will not " +
		"more than best home work time year long short well hand water air sun rain table door room")
)

const (
	brandCount  = 2000
	seriesCount = 8000
	wordCount   = 20000
)

// Categories are a tree: a department, and a category for each of its things.
func Categories() (categories []Category) {
	for _, d := range departments {
		categories = append(categories, Category{d.slug, d.name, ""})
		for _, thing := range d.things {
			categories = append(categories, Category{d.slug + "-" + strings.ToLower(thing), thing + "s", d.slug})
		}
	}
	return categories
}

// At is the product of a number.
func At(n int) Product {
	r := rand.New(rand.NewPCG(uint64(n), 0x5eed))
	d := departments[skewed(r, len(departments), 0.4)]
	thing := d.things[skewed(r, len(d.things), 0.5)]
	brand := Brand(skewed(r, brandCount, 0.9))
	series := invented(skewed(r, seriesCount, 0.8), 0x5e)
	name := qualities[skewed(r, len(qualities), 0.5)] + " " + series + " " + thing
	p := Product{
		ID: fmt.Sprintf("00000000-0000-7000-8000-%012d", n), Slug: fmt.Sprintf("%s-%d", strings.ReplaceAll(strings.ToLower(name), " ", "-"), n),
		Name: name, Brand: brand, Category: d.slug + "-" + strings.ToLower(thing), Image: "teapot.webp",
		Attributes: map[string]string{"Material": materials[skewed(r, len(materials), 0.6)], "Weight": fmt.Sprintf("%d g", 50*(1+skewed(r, 200, 0.7)))},
		Rating:     25 + r.IntN(26), Reviews: skewed(r, 500, 1), AddedAt: time.Unix(1_700_000_000+int64(n)*60, 0).UTC(),
	}
	var text strings.Builder
	for i := range 35 {
		if i > 0 {
			text.WriteByte(' ')
		}
		if r.IntN(2) == 0 {
			text.WriteString(common[skewed(r, len(common), 0.8)])
		} else {
			text.WriteString(strings.ToLower(invented(skewed(r, wordCount, 1), 0x17)))
		}
	}
	p.Description = "A " + strings.ToLower(thing) + " by " + brand + ": " + text.String() + "."
	price := int64(math.Exp(6+r.NormFloat64())*5)/100*100 + 99
	option, values := "Colour", colours
	if d.slug == "clothing" || d.slug == "shoes" {
		option, values = "Size", sizes
	}
	first := r.IntN(len(values))
	for v := range 1 + r.IntN(4) {
		p.Variants = append(p.Variants, Variant{
			SKU: fmt.Sprintf("G-%d-%d", n, v), Options: map[string]string{option: values[(first+v)%len(values)]}, Price: price + int64(100*v),
		})
	}
	return p
}

// Brand is the name of a brand by its rank.
func Brand(rank int) string { return invented(rank, 0xb7) + " & Co" }

// Query is what a shopper looks for, by a number: a thing, with a quality, of a brand, or of a series, at times misspelt.
// Different numbers often give the same query, as different shoppers do.
func Query(n int) string {
	r := rand.New(rand.NewPCG(uint64(n), 0x90e5))
	p := At(r.IntN(100_000))
	words := strings.Fields(p.Name)
	switch k := r.IntN(20); {
	case k < 7:
		return strings.ToLower(words[2])
	case k < 12:
		return strings.ToLower(words[0] + " " + words[2])
	case k < 15:
		return strings.ToLower(strings.Fields(p.Brand)[0] + " " + words[2])
	case k < 18:
		return strings.ToLower(words[1])
	case k < 19:
		return strings.ToLower(words[2][:3]) // not typed to its end
	default:
		return strings.ToLower(words[1][:2] + words[1][3:] + " " + words[2])
	}
}

// skewed is a number below n, small ones more often: with skew 1 as Zipf has it, with 0 all alike.
func skewed(r *rand.Rand, n int, skew float64) int {
	u := r.Float64()
	if skew == 1 {
		return min(n-1, int(math.Pow(float64(n), u))-1)
	}
	return min(n-1, int(float64(n)*math.Pow(u, 1/(1-skew))))
}

var (
	beginnings = strings.Fields("b br c ch d dr f fl g gr h j k kl l m n p pr qu r s sch st t tr v w z")
	middles    = strings.Fields("a e i o u ai ea ie oo au")
	endings    = strings.Fields("l m n r s t nd rt ck sk ln x ss th")
)

// invented is a word of two or three syllables that is made of a number.
func invented(n int, kind uint64) string {
	r := rand.New(rand.NewPCG(uint64(n), kind))
	var b strings.Builder
	for range 2 + r.IntN(2) {
		b.WriteString(beginnings[r.IntN(len(beginnings))])
		b.WriteString(middles[r.IntN(len(middles))])
	}
	b.WriteString(endings[r.IntN(len(endings))])
	word := b.String()
	return strings.ToUpper(word[:1]) + word[1:]
}
