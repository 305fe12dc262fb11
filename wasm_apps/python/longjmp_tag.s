# The exception that longjmp throws; wasi-libc for the old form of exceptions comes without it.
	.tagtype __c_longjmp i32
	.globl __c_longjmp
__c_longjmp:
