package main

import (
	"embed"
	"encoding/json"
	"fmt"
	"path"
)

//go:embed demo/products.json demo/categories.json demo/images/*.webp
var demo embed.FS

// demoCatalog is a small general store, for laptops and tests.
func demoCatalog() (products []*Product, categories []Category, err error) {
	if err := readDemo("demo/products.json", &products); err != nil {
		return nil, nil, err
	}
	if err := readDemo("demo/categories.json", &categories); err != nil {
		return nil, nil, err
	}
	for i := range categories {
		categories[i].Position = i
	}
	return products, categories, nil
}

func readDemo(name string, v any) error {
	b, err := demo.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// demoImages are the pictures by name. A name that is not in the map is no picture, whatever path it might spell.
func demoImages() (map[string][]byte, error) {
	entries, err := demo.ReadDir("demo/images")
	if err != nil {
		return nil, err
	}
	images := make(map[string][]byte, len(entries))
	for _, entry := range entries {
		if images[entry.Name()], err = demo.ReadFile(path.Join("demo/images", entry.Name())); err != nil {
			return nil, err
		}
	}
	return images, nil
}
