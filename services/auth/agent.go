package main

import "strings"

// clientAgent is the header in which the gateway, which alone may call, hands on how the browser describes itself.
const clientAgent = "Sidecart-Client-Agent"

// Browsers and systems by what only they say, the more special first: Edge calls itself Chrome, and Chrome Safari.
var (
	browsers = [][2]string{
		{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"EdgiOS/", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"},
		{"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"Chrome/", "Chrome"}, {"CriOS/", "Chrome"}, {"Safari/", "Safari"},
	}
	systems = [][2]string{
		{"Windows", "Windows"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"},
		{"Mac OS X", "macOS"}, {"Linux", "Linux"},
	}
)

// agentFamily is what people call the browser that describes itself like this. No version and nothing that it made up
// itself is kept: enough to recognise one's own devices in a list, and too little to follow anybody.
func agentFamily(userAgent string) string {
	browser, system := family(userAgent, browsers), family(userAgent, systems)
	switch {
	case browser == "" && system == "":
		return "Another program"
	case browser == "":
		return "Another browser on " + system
	case system == "":
		return browser
	}
	return browser + " on " + system
}

func family(userAgent string, known [][2]string) string {
	for _, k := range known {
		if strings.Contains(userAgent, k[0]) {
			return k[1]
		}
	}
	return ""
}
