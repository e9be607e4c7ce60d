/** Widths in pixels at which pages ask for pictures; the shop answers with the nearest size that it keeps. */
const widths = [160, 320, 640, 1280]

/** A picture with the addresses of its sizes, of which the browser takes what fits its screen. */
export function sized(src: string | undefined): { src: string | undefined; srcSet: string | undefined } {
  return { src, srcSet: src && widths.map((width) => `${src}?width=${width} ${width}w`).join(', ') }
}

/** Where a picture is that the back office knows by its name. */
export function imageAddress(name: string): string {
  return `/api/v1/images/${encodeURIComponent(name)}`
}
