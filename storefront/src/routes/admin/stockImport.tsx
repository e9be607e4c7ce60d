import type { LoaderFunctionArgs } from 'react-router'
import { StockImport } from '@/features/admin/StockImport'
import { requireAdmin } from './requireStaff'

export async function loader({ request }: LoaderFunctionArgs) {
  await requireAdmin(request)
  return null
}

export const Component = StockImport
