import type { StockImport } from '@/api/types'

/** A piece of a file with the file's header, and how many lines of the file stand between the two. */
export interface Part {
  text: string
  left: number
}

/** What the shop takes at once in the time that it has for an answer, on a slow machine too. */
const most = 256 * 1024

/** Bytes of a line with its end. */
const size = (line: string) => new TextEncoder().encode(line).length + 1

/** Cuts a file of counts between its lines into parts that can each be imported. */
export function partsOf(file: string, bytes = most): Part[] {
  const [header = '', ...lines] = file.split('\n')
  const parts: Part[] = []
  let part: string[] = []
  let left = 0
  let room = bytes - size(header)
  for (const line of lines) {
    if (part.length > 0 && size(line) > room) {
      parts.push({ text: [header, ...part].join('\n'), left })
      left += part.length
      part = []
      room = bytes - size(header)
    }
    part.push(line)
    room -= size(line)
  }
  return [...parts, { text: [header, ...part].join('\n'), left }]
}

/** What came of a file, from what came of its parts: lines are counted as in the file. */
export function joined(reports: { report: StockImport; part: Part }[]): StockImport {
  const sum = (of: (report: StockImport) => number) => reports.reduce((total, { report }) => total + of(report), 0)
  return {
    read: sum(({ read }) => read),
    written: sum(({ written }) => written),
    unchanged: sum(({ unchanged }) => unchanged),
    failed: sum(({ failed }) => failed),
    errors: reports.flatMap(({ report, part }) => report.errors.map((error) => ({ ...error, line: error.line + part.left }))),
  }
}
