# What Debian 12 packages and we link. Each missing one names its package.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(crew_require target module package)
  pkg_check_modules(${target} QUIET IMPORTED_TARGET GLOBAL ${module})
  if(NOT ${target}_FOUND)
    message(FATAL_ERROR "${module} not found. Fix: apt-get install ${package}")
  endif()
  message(STATUS "${module} ${${target}_VERSION}")
endfunction()

crew_require(LIBUV libuv libuv1-dev)
crew_require(PROTOBUFC libprotobuf-c libprotobuf-c-dev)
crew_require(CJSON libcjson libcjson-dev)
crew_require(ZLIB zlib zlib1g-dev)

# snappy ships no .pc file; only its C interface is used, to read tables.
find_path(SNAPPY_INCLUDE_DIR snappy-c.h)
find_library(SNAPPY_LIBRARY snappy)
if(NOT SNAPPY_INCLUDE_DIR OR NOT SNAPPY_LIBRARY)
  message(FATAL_ERROR "snappy not found. Fix: apt-get install libsnappy-dev")
endif()

find_program(PROTOC_C protoc-c)
if(NOT PROTOC_C)
  message(FATAL_ERROR
          "protoc-c not found. Fix: apt-get install protobuf-c-compiler")
endif()
