export { ForgotPassword as Component } from '@/features/account/ForgotPassword'
