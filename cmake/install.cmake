# cmake --install: bin/, lib/libcrew.so*, include/crew.h, what pkg-config and
# find_package(crew) read, and the example jobs, built and as source.
include(CMakePackageConfigHelpers)

set(jobs_dir ${CMAKE_INSTALL_LIBDIR}/traincrew/jobs)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/crew)

# The targets of one kind that the given folders define.
function(crew_targets_of_kind result kind)
  set(found)
  foreach(folder ${ARGN})
    get_property(targets DIRECTORY ${PROJECT_SOURCE_DIR}/${folder}
                 PROPERTY BUILDSYSTEM_TARGETS)
    foreach(target ${targets})
      get_target_property(target_kind ${target} TYPE)
      if(target_kind STREQUAL kind)
        list(APPEND found ${target})
      endif()
    endforeach()
  endforeach()
  set(${result} ${found} PARENT_SCOPE)
endfunction()

crew_targets_of_kind(programs EXECUTABLE ps chief worker evaluator cli)
crew_targets_of_kind(jobs MODULE_LIBRARY examples)

file(RELATIVE_PATH bin_to_lib /x/${CMAKE_INSTALL_BINDIR}
     /x/${CMAKE_INSTALL_LIBDIR})
if(programs)
  set_target_properties(${programs} PROPERTIES
    INSTALL_RPATH "$ORIGIN/${bin_to_lib}")
  install(TARGETS ${programs} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
if(jobs)
  set_target_properties(${jobs} PROPERTIES INSTALL_RPATH "$ORIGIN/../..")
  install(TARGETS ${jobs} LIBRARY DESTINATION ${jobs_dir})
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples/
        DESTINATION ${CMAKE_INSTALL_DATADIR}/traincrew/examples
        FILES_MATCHING PATTERN "*.c" PATTERN "*.json")

install(TARGETS crew_shared crew_api EXPORT crew
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${PROJECT_SOURCE_DIR}/common/crew.h
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT crew NAMESPACE crew:: FILE crewTargets.cmake
        DESTINATION ${package_dir})

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/crewConfig.cmake.in
  ${PROJECT_BINARY_DIR}/crewConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/crewConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/crewConfig.cmake
              ${PROJECT_BINARY_DIR}/crewConfigVersion.cmake
        DESTINATION ${package_dir})

# The .pc file finds its prefix from its own place, so that --prefix given at
# install time, or a moved tree, still works.
set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH pc_to_prefix /x/${pc_dir} /x)
configure_file(${PROJECT_SOURCE_DIR}/cmake/crew.pc.in
               ${PROJECT_BINARY_DIR}/crew.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/crew.pc DESTINATION ${pc_dir})
